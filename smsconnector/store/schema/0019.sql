-- Which messages go to a number. An index that has to take each message at once puts it into another page each time,
-- for numbers come in no order. So messages are written here by blocks of 4,096 ids, each block in the order of its
-- numbers, when the next block begins. The last messages are not here yet: whoever looks for a number looks at them one
-- by one, and then into each block.
DROP INDEX message_number;
CREATE TABLE message_number (
    block       INTEGER NOT NULL,            -- message.id >> 12
    destination TEXT    NOT NULL,
    message     INTEGER NOT NULL,            -- message.id; the message may be gone
    PRIMARY KEY (block, destination, message)
) WITHOUT ROWID;
