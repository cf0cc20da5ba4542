-- Where an application wants the report of one of its messages, beside the sinks (StatusCallback). Only messages that have
-- one have a row. They are found by the MessageSID, which a message keeps when it goes on over another channel.
CREATE TABLE status_callback (
    id    INTEGER PRIMARY KEY,
    sid   TEXT    NOT NULL UNIQUE,           -- message.sid
    host  TEXT    NOT NULL,                  -- as the configuration has it: there is a sink for each
    url   TEXT    NOT NULL,
    event INTEGER                            -- outbox.id of the report; NULL: it is still to come
);
CREATE INDEX status_callback_event ON status_callback (host, event) WHERE event IS NOT NULL;
