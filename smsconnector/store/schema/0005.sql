-- Something to write, to see whether texts could be written: an empty page more or less says nothing of a full disk.
CREATE TABLE probe (filling BLOB NOT NULL);
INSERT INTO probe VALUES (x'');
