-- Schema 3. What people told the bot to do, and what came of it.

CREATE TABLE commands (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms     INTEGER NOT NULL,
	result    TEXT NOT NULL,
	sender    TEXT NOT NULL,
	device_id TEXT,
	room      TEXT,
	room_id   TEXT,
	event_id  TEXT,
	command   TEXT NOT NULL,
	effect    TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX commands_event ON commands (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX commands_sender ON commands (sender, result, at_ms);
CREATE INDEX commands_at ON commands (at_ms);
