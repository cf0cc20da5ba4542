-- Texts from customers by their senders: of each the last nine digits, as a number, because a comparison of numbers is
-- cheap. NULL: it is no text, or its sender is no number, or its body is not kept any more. The index has blocks of 1,024
-- ids: new rows come into a few pages at its end. Reports have no entry.
ALTER TABLE outbox ADD COLUMN sender INTEGER;
UPDATE outbox SET sender = CASE WHEN json_valid(body) THEN
    CASE WHEN substr(body ->> '$.From', -9) NOT GLOB '*[^0-9]*' THEN CAST(substr(body ->> '$.From', -9) AS INTEGER) END END
    WHERE kind = 'incoming_message' AND body <> '';
CREATE INDEX outbox_sender ON outbox (id >> 10, sender) WHERE sender IS NOT NULL;
