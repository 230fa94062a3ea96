-- Since when nobody has a failure and which steps of escalation it went through; silences that
-- begin later, and what each held back; quiet times; finding what an event was about.

ALTER TABLE entries ADD COLUMN open_ms INTEGER NOT NULL DEFAULT 0; -- 0 = not in the room yet
UPDATE entries SET open_ms = last_ms;
ALTER TABLE entries ADD COLUMN escalated_ms INTEGER NOT NULL DEFAULT 0;

ALTER TABLE silences ADD COLUMN start_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE silences ADD COLUMN until_resolved INTEGER NOT NULL DEFAULT 0;
UPDATE silences SET until_resolved = 1, end_ms = at_ms + 604800000 WHERE end_ms = 0;

ALTER TABLE alerts ADD COLUMN silence_id INTEGER; -- a log: its row may be gone
CREATE INDEX alerts_silence ON alerts (silence_id) WHERE silence_id IS NOT NULL;
CREATE INDEX alerts_resolved ON alerts (subject) WHERE resolved = 1;

CREATE INDEX outbox_event ON outbox (event_id) WHERE event_id IS NOT NULL;

-- What the quiet times under way have held back, for the rooms that were spared it.
CREATE TABLE quiets (
	id   INTEGER PRIMARY KEY,
	held INTEGER NOT NULL,
	room TEXT NOT NULL,
	name TEXT NOT NULL,
	UNIQUE (name, room)
) STRICT;

CREATE INDEX entries_open ON entries (last_ms) WHERE resolved_ms = 0;

-- What people and the bot did about a failure, for !alert; who did it from where is in `commands`.
CREATE TABLE history (
	id          INTEGER PRIMARY KEY,
	at_ms       INTEGER NOT NULL,
	fingerprint TEXT NOT NULL,
	what        TEXT NOT NULL
) STRICT;
CREATE INDEX history_fingerprint ON history (fingerprint);
CREATE INDEX history_at ON history (at_ms);
