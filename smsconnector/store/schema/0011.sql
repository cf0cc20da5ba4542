-- A channel may fall back to another. Its text then goes on as a new message under the same MessageSID; the sid of the
-- one that it was gets a slash and the name of its channel. The report is still of the channel that was asked for.
ALTER TABLE message ADD COLUMN asked_channel TEXT;  -- NULL: as channel
CREATE INDEX message_asked ON message (id) WHERE asked_channel IS NOT NULL;
-- Messages that wait for that: their channel sends them no more (lifecycle.MessageState.WITHDRAWN).
CREATE INDEX message_withdrawn ON message (id) WHERE state = 3;

-- When the network of its channel has had enough time to take a message.
CREATE TABLE fall_back_due (
    id      INTEGER PRIMARY KEY,             -- message.id
    due_at  INTEGER NOT NULL,
    channel TEXT    NOT NULL
);
CREATE INDEX fall_back_due_at ON fall_back_due (due_at);

-- The channels that fell back to another when that was last looked at.
CREATE TABLE falling_channel (
    name TEXT NOT NULL UNIQUE
);
