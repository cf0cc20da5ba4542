-- A channel has routes, each with a submitter of its own: a segment belongs to the submitter that sends it. What was
-- accepted before belongs to the route for all numbers, whose name is the channel's.
ALTER TABLE segment RENAME COLUMN channel TO queue;

-- A text that reads as a receipt but is not marked as one: if it fits no message, it was a text after all (a JSON
-- array: channel, destination, text; NULL for what is marked).
ALTER TABLE parked_receipt ADD COLUMN incoming TEXT;
CREATE INDEX parked_receipt_age ON parked_receipt (received_at);

-- Binary parts are hexadecimal digits in text.
ALTER TABLE incoming_segment ADD COLUMN is_binary INTEGER NOT NULL DEFAULT 0;

-- All parts of a text carry the time of the newest. Those of a complete one, which has been handed on, stay until they
-- would have timed out: an SMSC may send one again.
CREATE INDEX incoming_segment_age ON incoming_segment (received_at);
