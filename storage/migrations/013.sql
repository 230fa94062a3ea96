-- Apps whose alerts had to be mended within a day. `last_ms` has no index: there are few rows.
CREATE TABLE mended (
	id      INTEGER PRIMARY KEY,
	count   INTEGER NOT NULL,
	last_ms INTEGER NOT NULL,
	app     TEXT NOT NULL UNIQUE,
	note    TEXT NOT NULL
) STRICT;
