-- Values of enums are stored by their names; what changes often stands apart from what is written
-- once; what is due next is the first row of an index. Times are milliseconds since 1970, 0 = not
-- yet; references are NULL = none. Small columns stand before large ones, so that reading them
-- touches no overflow page. Lists of values are written as OR: for IN (...) SQLite would build a
-- table at each write.

CREATE TABLE new_messages (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	kind      TEXT NOT NULL CHECK (kind = 'alerts' OR kind = 'ring' OR kind = 'storm'),
	severity  TEXT NOT NULL CHECK (severity = 'info' OR severity = 'warning' OR severity = 'critical'),
	opened_ms INTEGER NOT NULL,
	frozen_ms INTEGER NOT NULL,
	sent_ms   INTEGER NOT NULL,
	edited_ms INTEGER NOT NULL,
	dirty_ms  INTEGER NOT NULL,
	closed_ms INTEGER NOT NULL,
	end_ms    INTEGER NOT NULL, -- when its minute is over; 0 = nothing ends it now
	edit_ms   INTEGER NOT NULL, -- when its next edit is due; 0 = none is
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
INSERT INTO new_messages
SELECT id, CASE kind WHEN 1 THEN 'ring' WHEN 2 THEN 'storm' ELSE 'alerts' END,
	CASE severity WHEN 0 THEN 'info' WHEN 1 THEN 'warning' ELSE 'critical' END,
	opened_ms, frozen_ms, sent_ms, edited_ms, dirty_ms, closed_ms,
	CASE WHEN closed_ms > 0 THEN 0
	     WHEN sent_ms > 0 THEN sent_ms + 60000
	     WHEN frozen_ms = 0 AND edited_ms > 0 THEN edited_ms + 60000
	     ELSE 0 END,
	CASE WHEN sent_ms > 0 AND event_id IS NOT NULL THEN dirty_ms ELSE 0 END,
	urgent, bytes, silent, alerts, room, room_id, origin, event_id, lead
FROM messages;
DELETE FROM sqlite_sequence WHERE name = 'new_messages';
INSERT INTO sqlite_sequence SELECT 'new_messages', seq FROM sqlite_sequence WHERE name = 'messages';

CREATE TABLE new_entries (
	id           INTEGER PRIMARY KEY,
	message_id   INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
	severity     TEXT NOT NULL CHECK (severity = 'info' OR severity = 'warning' OR severity = 'critical'),
	count        INTEGER NOT NULL,
	first_ms     INTEGER NOT NULL,
	last_ms      INTEGER NOT NULL,
	resolved_ms  INTEGER NOT NULL,
	acked_ms     INTEGER NOT NULL,
	reminded_ms  INTEGER NOT NULL,
	open_ms      INTEGER NOT NULL,
	escalated_ms INTEGER NOT NULL,
	acked_by     TEXT,
	ack_note     TEXT,
	fingerprint  TEXT NOT NULL,
	subject      TEXT NOT NULL,
	app          TEXT NOT NULL,
	kind         TEXT NOT NULL,
	identity     TEXT NOT NULL,
	url          TEXT,
	key          TEXT,
	ext_id       TEXT,
	body         TEXT NOT NULL,
	html         TEXT NOT NULL,
	fields       TEXT NOT NULL,
	UNIQUE (message_id, fingerprint)
) STRICT;
INSERT INTO new_entries
SELECT id, message_id, CASE severity WHEN 0 THEN 'info' WHEN 1 THEN 'warning' ELSE 'critical' END,
	count, first_ms, last_ms, resolved_ms, acked_ms, reminded_ms, open_ms, escalated_ms,
	acked_by, ack_note, fingerprint, subject, app, kind, identity, url, key, ext_id, body,
	html, fields
FROM entries;

-- The runs of an entry, each once, in the order in which they came.
CREATE TABLE entry_runs (
	entry_id INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
	number   INTEGER NOT NULL, -- 1 = the first
	run_id   TEXT NOT NULL,
	PRIMARY KEY (entry_id, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX entry_runs_run ON entry_runs (entry_id, run_id);
INSERT OR IGNORE INTO entry_runs
SELECT e.id, run.key + 1, run.value
FROM entries e, json_each(CASE WHEN json_valid(e.run_ids) THEN e.run_ids ELSE '[]' END) run
WHERE run.type = 'text';

CREATE TABLE new_outbox (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	state      TEXT NOT NULL
		CHECK (state = 'queued' OR state = 'frozen' OR state = 'sent' OR state = 'undeliverable'),
	purpose    TEXT NOT NULL
		CHECK (purpose = 'new' OR purpose = 'edit' OR purpose = 'reply' OR purpose = 'note'
		OR purpose = 'heartbeat'),
	message_id INTEGER REFERENCES messages (id),
	created_ms INTEGER NOT NULL,
	frozen_ms  INTEGER NOT NULL,
	sent_ms    INTEGER NOT NULL,
	known_ms   INTEGER NOT NULL,
	tries      INTEGER NOT NULL,
	room       TEXT NOT NULL,
	room_id    TEXT,
	txn_id     TEXT NOT NULL, -- 128 random bits: no index is needed to keep them apart
	type       TEXT NOT NULL,
	wire_type  TEXT,
	device_id  TEXT,
	event_id   TEXT,
	error      TEXT
) STRICT;
INSERT INTO new_outbox
SELECT id,
	CASE state WHEN 0 THEN 'queued' WHEN 1 THEN 'frozen' WHEN 2 THEN 'sent'
	           ELSE 'undeliverable' END,
	CASE WHEN purpose = 0 THEN 'new' WHEN purpose = 1 THEN 'edit' WHEN purpose = 2 THEN 'reply'
	     WHEN json_valid(content) AND coalesce(
	          json_type(content, '$."org.matrix-telemetry-bot.alert".heartbeat'),
	          json_type(content, '$."org.matrix-telemetry-bot.alert".extra_heartbeat'))
	          IS NOT NULL THEN 'heartbeat'
	     ELSE 'note' END,
	message_id, created_ms, frozen_ms, sent_ms, known_ms, tries, room, room_id, txn_id, type,
	wire_type, device_id, event_id, error
FROM outbox;
DELETE FROM sqlite_sequence WHERE name = 'new_outbox';
INSERT INTO sqlite_sequence SELECT 'new_outbox', seq FROM sqlite_sequence WHERE name = 'outbox';

-- What an event says: written when it is fixed, while its state goes on changing in `outbox`.
CREATE TABLE contents (
	outbox_id    INTEGER PRIMARY KEY REFERENCES outbox (id) ON DELETE CASCADE,
	content      TEXT NOT NULL,
	wire_content TEXT -- what is sent in its place when it is encrypted
) STRICT;
INSERT INTO contents
SELECT id, coalesce(content, ''), wire_content FROM outbox
WHERE content IS NOT NULL OR wire_content IS NOT NULL;

CREATE TABLE new_alerts (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	severity    TEXT NOT NULL CHECK (severity = 'info' OR severity = 'warning' OR severity = 'critical'),
	resolved    INTEGER NOT NULL CHECK (resolved = FALSE OR resolved = TRUE),
	state       TEXT NOT NULL
		CHECK (state = 'queued' OR state = 'grouped' OR state = 'silenced' OR state = 'ignored'),
	cause       TEXT NOT NULL
		CHECK (cause = 'new' OR cause = 'joined' OR cause = 'storm' OR cause = 'resolved'
		OR cause = 'unmatched' OR cause = 'silence' OR cause = 'quiet' OR cause = 'inhibited'
		OR cause = 'collected'),
	at_ms       INTEGER NOT NULL,
	received_ms INTEGER NOT NULL,
	silence_id  INTEGER, -- a log: its row may be gone
	held        INTEGER NOT NULL CHECK (held = FALSE OR held = TRUE), -- it fires, and is held back
	uid         INTEGER NOT NULL,
	gid         INTEGER NOT NULL,
	pid         INTEGER NOT NULL,
	ext_id      TEXT,
	key         TEXT,
	app         TEXT NOT NULL,
	kind        TEXT NOT NULL,
	run_id      TEXT,
	subject     TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	room        TEXT,
	quiet       TEXT, -- name of the quiet time that held it back
	reason      TEXT NOT NULL, -- the cause in words
	identity    TEXT NOT NULL,
	title       TEXT NOT NULL,
	url         TEXT,
	fields      TEXT NOT NULL
) STRICT;
INSERT INTO new_alerts
SELECT id, CASE severity WHEN 0 THEN 'info' WHEN 1 THEN 'warning' ELSE 'critical' END, resolved,
	CASE state WHEN 0 THEN 'queued' WHEN 1 THEN 'grouped' ELSE 'silenced' END,
	CASE WHEN silence_id IS NOT NULL OR reason LIKE 'silence %' THEN 'silence'
	     WHEN reason LIKE 'quiet time %' THEN 'quiet'
	     WHEN reason LIKE 'inhibit:%' THEN 'inhibited'
	     WHEN reason LIKE 'storm:%' THEN 'storm'
	     WHEN resolved AND message_id IS NULL AND reason NOT LIKE 'resolved:%' THEN 'unmatched'
	     WHEN resolved THEN 'resolved'
	     WHEN reason LIKE 'collected:%' THEN 'collected'
	     WHEN state = 1 THEN 'joined'
	     ELSE 'new' END,
	at_ms, received_ms, silence_id, held, uid, gid, pid, ext_id, key, app, kind, run_id, subject,
	fingerprint, room, quiet, reason, identity, title, url, fields
FROM alerts;
DELETE FROM sqlite_sequence WHERE name = 'new_alerts';
INSERT INTO sqlite_sequence SELECT 'new_alerts', seq FROM sqlite_sequence WHERE name = 'alerts';

-- The message an alert is in, and the event that carried it first: what changes, beside a row that
-- is written once.
CREATE TABLE places (
	alert_id   INTEGER PRIMARY KEY REFERENCES alerts (id) ON DELETE CASCADE,
	message_id INTEGER NOT NULL REFERENCES messages (id),
	outbox_id  INTEGER -- NULL = none yet
) STRICT;
INSERT INTO places SELECT id, message_id, outbox_id FROM alerts WHERE message_id IS NOT NULL;

DROP TABLE alerts;
DROP TABLE entries;
DROP TABLE outbox;
DROP TABLE messages;
ALTER TABLE new_messages RENAME TO messages;
ALTER TABLE new_entries RENAME TO entries;
ALTER TABLE new_outbox RENAME TO outbox;
ALTER TABLE new_alerts RENAME TO alerts;

CREATE INDEX messages_open ON messages (room, origin) WHERE closed_ms = 0;
CREATE INDEX messages_end ON messages (end_ms) WHERE end_ms > 0;
CREATE INDEX messages_edit ON messages (room, edit_ms) WHERE edit_ms > 0;
CREATE INDEX messages_opened ON messages (opened_ms, kind);

CREATE INDEX entries_firing ON entries (subject) WHERE resolved_ms = 0;
CREATE INDEX entries_critical ON entries (app, identity)
	WHERE severity = 'critical' AND resolved_ms = 0;
-- One for all that fires, newest first, and for what of that nobody acknowledged.
CREATE INDEX entries_open ON entries (last_ms, severity, acked_ms) WHERE resolved_ms = 0;
CREATE INDEX entries_acked ON entries (acked_ms) WHERE resolved_ms = 0 AND acked_ms > 0;

-- Queued or frozen: what waits, in order for each room (an index ends in the row's id).
CREATE INDEX outbox_waiting ON outbox (room) WHERE state = 'queued' OR state = 'frozen';
-- Undeliverable, or damaged so that nobody knows.
CREATE INDEX outbox_undeliverable ON outbox (id) WHERE state <> 'queued' AND state <> 'frozen' AND state <> 'sent';
CREATE INDEX outbox_message ON outbox (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX outbox_created ON outbox (created_ms);
CREATE INDEX outbox_event ON outbox (event_id) WHERE event_id IS NOT NULL;

CREATE UNIQUE INDEX alerts_ext ON alerts (ext_id) WHERE ext_id IS NOT NULL;
CREATE INDEX alerts_run ON alerts (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX alerts_app ON alerts (app);
CREATE INDEX alerts_received ON alerts (received_ms, resolved, severity, app);
CREATE INDEX alerts_silence ON alerts (silence_id) WHERE silence_id IS NOT NULL;
CREATE INDEX alerts_held ON alerts (subject) WHERE held = TRUE;
CREATE INDEX alerts_quiet ON alerts (quiet) WHERE held = TRUE AND quiet IS NOT NULL;
CREATE INDEX alerts_inhibited ON alerts (received_ms) WHERE cause = 'inhibited';

CREATE INDEX places_message ON places (message_id, outbox_id);

CREATE TABLE sql_watches (
	id       INTEGER PRIMARY KEY,
	severity TEXT NOT NULL CHECK (severity = 'info' OR severity = 'warning' OR severity = 'critical'),
	fault    INTEGER NOT NULL CHECK (fault = FALSE OR fault = TRUE), -- TRUE = the watch itself failed
	told_ms  INTEGER NOT NULL, -- handed in last as an alert that was not held back
	tried_ms INTEGER NOT NULL, -- handed in last
	shown_ms INTEGER NOT NULL, -- its message was brought up to date last
	watch    TEXT NOT NULL,
	subject  TEXT NOT NULL,
	request  TEXT NOT NULL,    -- the alert, JSON
	UNIQUE (watch, subject)
) STRICT;
INSERT INTO sql_watches
SELECT id, CASE severity WHEN 0 THEN 'info' WHEN 1 THEN 'warning' ELSE 'critical' END, fault,
	told_ms, tried_ms, shown_ms, watch, subject, request
FROM sqlwatch;
DROP TABLE sqlwatch;

CREATE TABLE new_rooms (
	id          INTEGER PRIMARY KEY,
	encrypted   INTEGER NOT NULL CHECK (encrypted = FALSE OR encrypted = TRUE),
	room_id     TEXT NOT NULL UNIQUE,
	address     TEXT UNIQUE,
	encryption  TEXT,
	replaced_by TEXT
) STRICT;
INSERT INTO new_rooms (encrypted, room_id, address, encryption, replaced_by)
SELECT encrypted, room_id, address, encryption, replaced_by FROM rooms;
DROP TABLE rooms;
ALTER TABLE new_rooms RENAME TO rooms;
CREATE INDEX rooms_encrypted ON rooms (encrypted) WHERE encrypted = TRUE;
