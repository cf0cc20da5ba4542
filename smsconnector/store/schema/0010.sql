-- Who wants no more texts of a channel. number is written as the network or the import wrote it; tail has its last
-- digits, which all spellings of a number share (sms.addresses.number_tail). sender is the number that the STOP was sent
-- to, '' where it holds for the whole channel. because: the word, the code, or that it was imported.
CREATE TABLE opt_out (
    id      INTEGER PRIMARY KEY,
    channel TEXT    NOT NULL,
    tail    TEXT    NOT NULL,
    number  TEXT    NOT NULL,
    sender  TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    because TEXT    NOT NULL
);
CREATE UNIQUE INDEX opt_out_number ON opt_out (channel, tail, number, sender);
