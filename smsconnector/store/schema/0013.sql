-- The connector's numbers of messages rise with time. 1,024 of them are one block of this index: so new rows come into a
-- few pages at its end, whatever their numbers are. Who looks for a number looks into each block.
CREATE INDEX message_number ON message (id >> 10, destination);

-- What the application calls the message, and the key with which it was accepted. NULL: nothing.
ALTER TABLE message ADD COLUMN reference TEXT;
ALTER TABLE message ADD COLUMN accepted_by TEXT;
CREATE INDEX message_reference ON message (reference) WHERE reference IS NOT NULL;

-- Of the last submit of a segment: the bind, the sequence_number, and how long the answer took. Of its last receipt: the
-- status word, and when it came.
ALTER TABLE segment ADD COLUMN bind TEXT;
ALTER TABLE segment ADD COLUMN sequence INTEGER;
ALTER TABLE segment ADD COLUMN answered_in INTEGER;  -- ms
ALTER TABLE segment ADD COLUMN told TEXT;
ALTER TABLE segment ADD COLUMN told_at INTEGER;

-- What has happened to a segment, but for its last submit and its last receipt.
CREATE TABLE segment_event (
    id          INTEGER PRIMARY KEY,
    segment     INTEGER NOT NULL,            -- segment.id
    at          INTEGER NOT NULL,
    kind        INTEGER NOT NULL,            -- segment_events.Kind
    bind        TEXT,                        -- of a submit; of a receipt NULL
    sequence    INTEGER,
    answered_in INTEGER,
    code                ,
    words       TEXT                         -- of a receipt: its status word
);
CREATE INDEX segment_event_segment ON segment_event (segment);
