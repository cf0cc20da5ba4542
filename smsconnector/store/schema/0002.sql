-- A channel has routes, each with a submitter of its own: a segment belongs to the submitter that sends it. What was
-- accepted before belongs to the route for all numbers, whose name is the channel's.
ALTER TABLE segment RENAME COLUMN channel TO queue;
