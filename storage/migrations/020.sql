-- Charts that are to be drawn: a row goes in the transaction that puts its picture, or the words in
-- its place, into the delivery queue.
CREATE TABLE charts (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	span       TEXT NOT NULL CHECK (span = '24h' OR span = '7d' OR span = '30d'),
	created_ms INTEGER NOT NULL,
	until_ms   INTEGER NOT NULL, -- the end of what it shows
	room       TEXT NOT NULL,
	app        TEXT,             -- NULL = all
	root       TEXT,             -- event id of the thread it answers in; NULL = nobody asked
	reply_to   TEXT
) STRICT;

-- How long acknowledgements took.
CREATE INDEX entries_ever_acked ON entries (acked_ms) WHERE acked_ms > 0;
