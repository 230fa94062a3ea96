-- Schema 1. Times are milliseconds since 1970 and 0 = not yet; references are NULL = none.
-- Small columns stand before large ones, so that reading them touches no overflow page.

CREATE TABLE messages (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	kind      INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 4),     -- enum message_kind
	severity  INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 2), -- enum severity
	opened_ms INTEGER NOT NULL,
	frozen_ms INTEGER NOT NULL,
	sent_ms   INTEGER NOT NULL,
	edited_ms INTEGER NOT NULL,
	dirty_ms  INTEGER NOT NULL,
	closed_ms INTEGER NOT NULL,
	urgent    INTEGER NOT NULL,
	bytes     INTEGER NOT NULL,
	silent    INTEGER NOT NULL,
	alerts    INTEGER NOT NULL,
	room      TEXT NOT NULL,
	room_id   TEXT,
	origin    TEXT NOT NULL,
	event_id  TEXT,
	lead      TEXT
) STRICT;
CREATE INDEX messages_event ON messages (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX messages_open ON messages (room, origin) WHERE closed_ms = 0;
CREATE INDEX messages_dirty ON messages (room, dirty_ms) WHERE dirty_ms > 0;
CREATE INDEX messages_opened ON messages (opened_ms, kind);

CREATE TABLE entries (
	id          INTEGER PRIMARY KEY,
	message_id  INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
	severity    INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 2),
	count       INTEGER NOT NULL,
	first_ms    INTEGER NOT NULL,
	last_ms     INTEGER NOT NULL,
	resolved_ms INTEGER NOT NULL,
	fingerprint TEXT NOT NULL,
	subject     TEXT NOT NULL,
	app         TEXT NOT NULL,
	kind        TEXT NOT NULL,
	identity    TEXT NOT NULL,
	url         TEXT,
	run_ids     TEXT NOT NULL,
	body        TEXT NOT NULL,
	html        TEXT NOT NULL,
	fields      TEXT NOT NULL,
	UNIQUE (message_id, fingerprint)
) STRICT;
CREATE INDEX entries_firing ON entries (subject) WHERE resolved_ms = 0;

CREATE TABLE outbox (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	state        INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),   -- enum outbox_state
	purpose      INTEGER NOT NULL CHECK (purpose BETWEEN 0 AND 3), -- enum outbox_purpose
	message_id   INTEGER REFERENCES messages (id),
	created_ms   INTEGER NOT NULL,
	frozen_ms    INTEGER NOT NULL,
	sent_ms      INTEGER NOT NULL,
	known_ms     INTEGER NOT NULL,
	tries        INTEGER NOT NULL,
	room         TEXT NOT NULL,
	room_id      TEXT,
	txn_id       TEXT NOT NULL UNIQUE,
	type         TEXT NOT NULL,
	wire_type    TEXT,
	device_id    TEXT,
	event_id     TEXT,
	error        TEXT,
	content      TEXT,
	wire_content TEXT
) STRICT;
-- Queued or frozen: what waits, in order for each room (an index ends in the row's id).
CREATE INDEX outbox_waiting ON outbox (room) WHERE state <= 1;
CREATE INDEX outbox_set_aside ON outbox (state) WHERE state = 3;
CREATE INDEX outbox_message ON outbox (message_id, state) WHERE message_id IS NOT NULL;
CREATE INDEX outbox_created ON outbox (created_ms);

CREATE TABLE alerts (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	severity    INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 2),
	resolved    INTEGER NOT NULL CHECK (resolved BETWEEN 0 AND 1),
	state       INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2), -- enum alert_state
	at_ms       INTEGER NOT NULL,
	received_ms INTEGER NOT NULL,
	message_id  INTEGER REFERENCES messages (id),
	outbox_id   INTEGER REFERENCES outbox (id),
	uid         INTEGER NOT NULL,
	gid         INTEGER NOT NULL,
	pid         INTEGER NOT NULL,
	ext_id      TEXT,
	app         TEXT NOT NULL,
	kind        TEXT NOT NULL,
	run_id      TEXT,
	subject     TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	room        TEXT,
	reason      TEXT NOT NULL,
	identity    TEXT NOT NULL,
	title       TEXT NOT NULL,
	url         TEXT,
	fields      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX alerts_ext ON alerts (ext_id) WHERE ext_id IS NOT NULL;
CREATE INDEX alerts_run ON alerts (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX alerts_app ON alerts (app);
CREATE INDEX alerts_received ON alerts (received_ms, severity);
CREATE INDEX alerts_message ON alerts (message_id, outbox_id) WHERE message_id IS NOT NULL;
CREATE INDEX alerts_outbox ON alerts (outbox_id) WHERE outbox_id IS NOT NULL;

-- A log: outbox_id may name a row that is gone.
CREATE TABLE calls (
	id          INTEGER PRIMARY KEY,
	at_ms       INTEGER NOT NULL,
	what        TEXT NOT NULL,
	room        TEXT NOT NULL,
	room_id     TEXT,
	outbox_id   INTEGER,
	duration_ms INTEGER NOT NULL,
	latency_ms  INTEGER NOT NULL,
	result      TEXT NOT NULL,
	http_status INTEGER NOT NULL,
	event_id    TEXT,
	error       TEXT
) STRICT;
CREATE INDEX calls_at ON calls (at_ms, result, latency_ms);

CREATE TABLE state (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rooms (
	room_id     TEXT PRIMARY KEY,
	address     TEXT UNIQUE,
	encrypted   INTEGER NOT NULL CHECK (encrypted BETWEEN 0 AND 1),
	encryption  TEXT,
	replaced_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX rooms_encrypted ON rooms (encrypted, room_id) WHERE encrypted = 1;
