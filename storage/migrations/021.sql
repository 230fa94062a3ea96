-- Alerts that said when they end: over by then, unless they come again before. A row goes with the end.

CREATE TABLE expiries (
	id       INTEGER PRIMARY KEY REFERENCES alerts (id) ON DELETE CASCADE, -- of the first alert
	subject  TEXT NOT NULL UNIQUE,
	ends_ms  INTEGER NOT NULL,
	lasts_ms INTEGER NOT NULL -- from its last coming to its end
) STRICT;
CREATE INDEX expiries_end ON expiries (ends_ms);
