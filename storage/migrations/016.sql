-- Who took over from whom on call, or was given it; ended ones are kept for a while.

CREATE TABLE oncall_overrides (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms    INTEGER NOT NULL,
	start_ms INTEGER NOT NULL,
	end_ms   INTEGER NOT NULL,
	name     TEXT NOT NULL, -- of the schedule
	user     TEXT NOT NULL, -- who has it meanwhile
	author   TEXT NOT NULL  -- who said so
) STRICT;
CREATE INDEX oncall_overrides_end ON oncall_overrides (end_ms);
