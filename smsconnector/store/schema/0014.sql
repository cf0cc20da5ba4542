-- The keys that requests for messages have brought (Idempotency-Key), and the message that each has made: a request that
-- comes again gets the same answer, and makes no other message. Only such requests write here.
CREATE TABLE idempotency_key (
    id          INTEGER PRIMARY KEY,
    caller      TEXT    NOT NULL,            -- whose key it is
    name        TEXT    NOT NULL,            -- the key
    digest      TEXT    NOT NULL,            -- of what was asked
    sid         TEXT    NOT NULL,            -- message.sid
    accepted_at INTEGER NOT NULL,            -- ms; as message.accepted_at
    expires_at  INTEGER NOT NULL,            -- ms; as message.expires_at
    known_until INTEGER NOT NULL             -- ms; then it is dropped, and means nothing any more
);
CREATE UNIQUE INDEX idempotency_key_name ON idempotency_key (caller, name);
CREATE INDEX idempotency_key_until ON idempotency_key (known_until);
