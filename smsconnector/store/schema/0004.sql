-- The request said how long the message is worth sending: the SMSC is told too.
ALTER TABLE message ADD COLUMN is_limited INTEGER NOT NULL DEFAULT 0;
