-- Texts from customers by their senders, as far as their bodies are kept. It has blocks of 1,024 ids, as message_number
-- has: new rows come into a few pages at its end. Reports have no entry. A body that is no JSON, which only a damaged file
-- has, has no sender.
CREATE INDEX outbox_sender ON outbox
    (id >> 10, ltrim(CASE WHEN json_valid(body) THEN body ->> '$.From' END, '+'))
    WHERE kind = 'incoming_message' AND body <> '';
