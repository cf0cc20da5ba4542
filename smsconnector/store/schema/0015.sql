-- What an event says of a conversation, beside its body, as a JSON object: the Reference of the text that it reports; of a
-- text from a customer the MessageSID and the Reference of the text that it answers. NULL: nothing.
ALTER TABLE outbox ADD COLUMN headers TEXT;
