-- Messages that are to be sent later. They, and their segments, have states of their own (lifecycle: SCHEDULED), which no
-- index of what waits has. When one is due it is written anew, with new ids, and its row here with it.
CREATE TABLE schedule (
    id          INTEGER PRIMARY KEY,         -- message.id
    send_at     INTEGER NOT NULL,            -- ms, time of day
    accepted_at INTEGER NOT NULL,            -- ms; message.accepted_at is when it was due, once that is so
    left_at     INTEGER                      -- ms; when it was given to its queue, or was taken back
);
CREATE INDEX schedule_due ON schedule (send_at, id) WHERE left_at IS NULL;
