-- The end of its lifetime says that a message is sent no more; the end of the time for receipts, that nobody waits for
-- one any more. look_at is when a sweep looks at the message next: NULL until the lifetime is over, then the later time.
ALTER TABLE message ADD COLUMN look_at INTEGER;
DROP INDEX message_expiry;
CREATE INDEX message_look ON message (coalesce(look_at, expires_at)) WHERE state = 0;

-- How a segment ends at due_at, if nothing better is told of it before.
CREATE TABLE presumed_end (
    id     INTEGER PRIMARY KEY,              -- segment.id
    reason INTEGER NOT NULL,                 -- ends.Reason
    code           ,
    due_at INTEGER NOT NULL
);
CREATE INDEX presumed_end_due ON presumed_end (due_at);

-- The accounts whose SMSC was seen to send a receipt for each part of a long message, and when last.
CREATE TABLE account_telling_parts (
    id      INTEGER PRIMARY KEY,
    account TEXT    NOT NULL UNIQUE,
    seen_at INTEGER NOT NULL
);
