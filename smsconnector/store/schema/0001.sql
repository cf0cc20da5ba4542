-- Messages on their way out. id is the id of the first segment; the others follow it, so the segments of a
-- message are the ids from id to id + segments - 1. Times are milliseconds since the Unix epoch.
CREATE TABLE message (
    id          INTEGER PRIMARY KEY,
    sid         TEXT    NOT NULL UNIQUE,
    channel     TEXT    NOT NULL,
    source      TEXT,
    destination TEXT    NOT NULL,
    alphabet    TEXT    NOT NULL,
    segments    INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    state       INTEGER NOT NULL DEFAULT 0,  -- lifecycle.MessageState
    code                                  ,  -- ProviderStatusCode, when final
    final_at    INTEGER
);
CREATE INDEX message_expiry ON message (expires_at) WHERE state = 0;

CREATE TABLE segment (
    id       INTEGER PRIMARY KEY,
    channel  TEXT    NOT NULL,
    number   INTEGER NOT NULL,               -- 1-based
    text     TEXT    NOT NULL,
    state    INTEGER NOT NULL DEFAULT 0,     -- lifecycle.SegmentState
    due_at   INTEGER NOT NULL DEFAULT 0,     -- 0: never tried; else not to be submitted before
    attempts INTEGER NOT NULL DEFAULT 0,
    account  TEXT,                           -- the SMSC account that smsc_id belongs to
    smsc_id  TEXT,                           -- as the SMSC wrote it
    smsc_key TEXT,                           -- the form under which receipts look for it
    code                 ,
    sent_at  INTEGER
);
CREATE INDEX segment_queue ON segment (channel, due_at, id) WHERE state = 0;
CREATE INDEX segment_claimed ON segment (id) WHERE state = 1;
CREATE INDEX segment_smsc ON segment (account, smsc_key) WHERE smsc_key IS NOT NULL;

-- Final receipts whose segment is not known (yet): the response to its submit may still be on the way.
CREATE TABLE parked_receipt (
    id          INTEGER PRIMARY KEY,
    account     TEXT    NOT NULL,
    smsc_key    TEXT    NOT NULL,
    smsc_id     TEXT    NOT NULL,
    finality    INTEGER NOT NULL,
    code                        ,
    status      TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    received_at INTEGER NOT NULL
);
CREATE INDEX parked_receipt_smsc ON parked_receipt (account, smsc_key);

-- Parts of incoming texts that wait for the others.
CREATE TABLE incoming_segment (
    id          INTEGER PRIMARY KEY,
    channel     TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    reference   INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    text        TEXT    NOT NULL,            -- as a JSON string: a handset may send NUL
    received_at INTEGER NOT NULL,
    UNIQUE (account, source, destination, reference, count, number)
);

-- Events wait here until the broker has confirmed them. event_id is unique: one report a message, ever.
CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id     TEXT    NOT NULL UNIQUE,
    kind         TEXT    NOT NULL,
    jms_type     TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    published_at INTEGER
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE published_at IS NULL;
