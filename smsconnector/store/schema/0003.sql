-- What is over is kept for a time that can be set: first the texts go, then the rows.
ALTER TABLE message ADD COLUMN texts_kept INTEGER NOT NULL DEFAULT 1;
CREATE INDEX message_final ON message (texts_kept, final_at) WHERE state > 0;

-- Up to which event the bodies are dropped: they may be texts of customers, their ids tell repeats.
CREATE TABLE outbox_progress (emptied INTEGER NOT NULL);
INSERT INTO outbox_progress VALUES (0);
