-- Calls in the order of time, without an index beside the table; ids tell those of one millisecond apart.

CREATE TABLE new_calls (
	at_ms       INTEGER NOT NULL,
	id          INTEGER NOT NULL,
	what        TEXT NOT NULL,
	room        TEXT NOT NULL,
	room_id     TEXT,
	outbox_id   INTEGER,
	duration_ms INTEGER NOT NULL,
	latency_ms  INTEGER NOT NULL, -- since its oldest alert was received; -1 = it carries none
	result      TEXT NOT NULL,
	http_status INTEGER NOT NULL,
	event_id    TEXT,
	error       TEXT,
	PRIMARY KEY (at_ms, id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_calls
SELECT at_ms, id, what, room, room_id, outbox_id, duration_ms, latency_ms, result, http_status,
	event_id, error
FROM calls;
DROP TABLE calls;
ALTER TABLE new_calls RENAME TO calls;
