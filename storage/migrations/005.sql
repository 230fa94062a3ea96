-- Who takes care of what, and what is to be held back.

ALTER TABLE entries ADD COLUMN acked_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN reminded_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN acked_by TEXT;
ALTER TABLE entries ADD COLUMN ack_note TEXT;
CREATE INDEX entries_unacked ON entries (last_ms)
	WHERE severity = 2 AND resolved_ms = 0 AND acked_ms = 0;
CREATE INDEX entries_acked ON entries (acked_ms) WHERE resolved_ms = 0 AND acked_ms > 0;

CREATE TABLE silences (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms    INTEGER NOT NULL,
	end_ms   INTEGER NOT NULL, -- 0 = until what it matches is resolved
	ended_ms INTEGER NOT NULL, -- when it was over; 0 = it holds
	held     INTEGER NOT NULL, -- alerts that it held back
	author   TEXT NOT NULL,
	room     TEXT,             -- name, where its end is told
	matchers TEXT NOT NULL,
	reason   TEXT NOT NULL
) STRICT;
CREATE INDEX silences_active ON silences (id) WHERE ended_ms = 0;
