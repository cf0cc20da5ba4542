-- A provider may give one text several ids, one for each part that it has made of it, and report each by itself. These
-- are the ids of such texts. Before the answer to our request is there, it may have an id that a report to the text's
-- own callback has named.
CREATE TABLE provider_id (
    id       INTEGER PRIMARY KEY,
    segment  INTEGER NOT NULL,               -- segment.id
    account  TEXT    NOT NULL,
    smsc_key TEXT    NOT NULL,               -- as segment.smsc_key
    awaited  INTEGER NOT NULL,               -- 1: the segment is not delivered before this is told of it
    told     INTEGER NOT NULL DEFAULT 0,     -- messages.Finality; 0: nothing yet
    code                                     -- of what was told
);
CREATE INDEX provider_id_smsc ON provider_id (account, smsc_key);
CREATE INDEX provider_id_segment ON provider_id (segment);
