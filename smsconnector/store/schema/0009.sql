-- How many submits of a segment had an outcome that nobody knows: each may have reached the handset, so they have a limit
-- of their own. It was not counted before: 0 for what is there.
ALTER TABLE segment ADD COLUMN unknowns INTEGER NOT NULL DEFAULT 0;
