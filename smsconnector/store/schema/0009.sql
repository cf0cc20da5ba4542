-- How many submits of a segment had an outcome that nobody knows: each may have reached the handset, so they have a limit
-- of their own. It was not counted before: 0 for what is there.
ALTER TABLE segment ADD COLUMN unknowns INTEGER NOT NULL DEFAULT 0;

-- The queues of the configuration for which what waits was last given to its routes. If there is another one now, what
-- waits in any of these may belong to it. Empty: nobody has written it down.
CREATE TABLE served_queue (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
);
