-- Events that were written to us and whose keys are not here (yet).

CREATE TABLE undecrypted (
	id       INTEGER PRIMARY KEY,
	at_ms    INTEGER NOT NULL, -- when it was first seen
	told_ms  INTEGER NOT NULL, -- when the room was told that it stays so
	power    INTEGER NOT NULL,
	room     TEXT NOT NULL,
	room_id  TEXT NOT NULL,
	event_id TEXT NOT NULL UNIQUE,
	event    TEXT NOT NULL
) STRICT;
