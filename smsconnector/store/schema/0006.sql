-- Who cuts a text by octets may cut through a character: a part is kept as its octets, in hexadecimal digits, with the
-- name of their alphabet, and decoded with the others. NULL: its text, as before.
ALTER TABLE incoming_segment ADD COLUMN written_in TEXT;
