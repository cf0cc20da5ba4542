-- An event is owed to each sink until that sink has taken responsibility for it. Every event up to settled_up_to is
-- confirmed or parked; of the later ones those are owed that have no row of that sink in the two tables below.
CREATE TABLE sink (
    id            INTEGER PRIMARY KEY,       -- 1 to 63
    name          TEXT    NOT NULL UNIQUE,
    settled_up_to INTEGER NOT NULL           -- outbox.id
);

-- The id of both is that of the event, times 64, plus that of the sink: so the rows of one event lie side by side, and
-- new ones come at the end.
CREATE TABLE confirmation (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
);
CREATE TABLE parked_event (
    id       INTEGER PRIMARY KEY,
    kind     TEXT    NOT NULL,               -- outbox.kind
    refused  INTEGER NOT NULL,               -- 1: for good; 0: the sink wants it later
    attempts INTEGER NOT NULL,               -- that ended so
    since    INTEGER NOT NULL,
    due_at   INTEGER NOT NULL,
    reason   TEXT    NOT NULL                -- the sink's own words
);
CREATE INDEX parked_event_due ON parked_event (kind, due_at);

-- Until now there was one sink, which had one column. What lies before the first event that it is owed needs no rows.
-- The column stays, and is not used any more: to take it out would write the whole table anew.
INSERT INTO sink SELECT 1, 'stomp', coalesce((SELECT min(id) - 1 FROM outbox WHERE published_at IS NULL),
    (SELECT max(id) FROM outbox)) WHERE EXISTS (SELECT 1 FROM outbox);
INSERT INTO confirmation SELECT id * 64 + 1, published_at FROM outbox
    WHERE published_at IS NOT NULL AND id > (SELECT settled_up_to FROM sink) ORDER BY id;
DROP INDEX outbox_waiting;

-- Some SMSCs do not swap the addresses in a receipt: then the handset's number is here. '' for what was parked before.
ALTER TABLE parked_receipt ADD COLUMN addressee TEXT NOT NULL DEFAULT '';
