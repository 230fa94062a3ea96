-- Schema 7. What the SQL watches found and have not found gone yet.

CREATE TABLE sqlwatch (
	id       INTEGER PRIMARY KEY,
	severity INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 2), -- enum severity
	fault    INTEGER NOT NULL CHECK (fault BETWEEN 0 AND 1),    -- 1 = the watch itself failed
	told_ms  INTEGER NOT NULL, -- handed in last as an alert that was not held back
	tried_ms INTEGER NOT NULL, -- handed in last
	shown_ms INTEGER NOT NULL, -- its message was brought up to date last
	watch    TEXT NOT NULL,
	subject  TEXT NOT NULL,
	request  TEXT NOT NULL,    -- the alert, JSON
	UNIQUE (watch, subject)
) STRICT;
