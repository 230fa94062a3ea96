-- A database of schema 26, as its version wrote it, with rows of each kind.
BEGIN TRANSACTION;
CREATE TABLE "alerts" (
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
	url         TEXT,
	fields      TEXT NOT NULL
, test INTEGER NOT NULL DEFAULT FALSE CHECK (test IN (FALSE, TRUE))) STRICT;
INSERT INTO "alerts" VALUES(1,'critical',0,'queued','new',900,1000,NULL,0,1000,1001,77,'ext-1','k-1','data_factory','node_failed','r-1','s1','f1','ops',NULL,'new message: first of its minute','etl_users','https://x/','{"node_id":"etl_users"}',0);
INSERT INTO "alerts" VALUES(2,'critical',0,'grouped','joined',1300,1350,NULL,0,1000,1001,77,NULL,NULL,'data_factory','node_failed','r-2','s1','f1','ops',NULL,'joined: within its minute','etl_users',NULL,'{}',0);
INSERT INTO "alerts" VALUES(3,'warning',0,'queued','storm',2900,3000,NULL,0,-1,-1,-1,NULL,NULL,'call_monitor','violations',NULL,'s2','f2','dev',NULL,'storm: too many new messages','rules',NULL,'{}',0);
INSERT INTO "alerts" VALUES(4,'warning',1,'grouped','resolved',3150,3150,NULL,0,0,0,1,NULL,NULL,'call_monitor','violations',NULL,'s2','f2','dev',NULL,'resolved: the message says so','rules',NULL,'{}',0);
INSERT INTO "alerts" VALUES(5,'warning',1,'silenced','unmatched',3160,3160,NULL,0,0,0,1,NULL,NULL,'call_monitor','violations',NULL,'s9','f9','dev',NULL,'nothing of this was firing','rules',NULL,'{}',0);
INSERT INTO "alerts" VALUES(6,'warning',0,'silenced','inhibited',3170,3170,NULL,0,0,0,1,NULL,NULL,'etl','message',NULL,'s6','f6','dev',NULL,'inhibit: a critical failure of the same is firing','t',NULL,'{}',0);
INSERT INTO "alerts" VALUES(7,'info',0,'silenced','silence',3180,3180,1,0,0,0,1,NULL,NULL,'etl','message',NULL,'s6','f6','dev',NULL,'silence 1','t',NULL,'{}',0);
INSERT INTO "alerts" VALUES(8,'info',0,'silenced','quiet',3190,3190,NULL,1,0,0,1,NULL,NULL,'etl','message',NULL,'s6','f6','dev','nightly','quiet time nightly','t',NULL,'{}',0);
INSERT INTO "alerts" VALUES(9,'info',0,'queued','new',3900,3900,NULL,0,0,0,1,NULL,NULL,'etl','message',NULL,'s3','f3','dev',NULL,'new message: the open one is full','t',NULL,'{}',0);
CREATE TABLE app_heartbeats (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	every_ms    INTEGER NOT NULL, -- 0 = by schedule
	grace_ms    INTEGER NOT NULL,
	first_ms    INTEGER NOT NULL,
	seen_ms     INTEGER NOT NULL,
	due_ms      INTEGER NOT NULL, -- the next one
	deadline_ms INTEGER NOT NULL, -- when it counts as missed
	missed_ms   INTEGER NOT NULL, -- since when it is; 0 = it is not
	app         TEXT NOT NULL,
	name        TEXT NOT NULL,    -- "" = the app's only one
	schedule    TEXT, held INTEGER NOT NULL DEFAULT 0,
	UNIQUE (app, name)
) STRICT;
INSERT INTO "app_heartbeats" VALUES(1,3600000,600000,1,2,3,4,5,'etl','nightly',NULL,1);
CREATE TABLE "calls" (
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
INSERT INTO "calls" VALUES(1150,1,'send','ops','!ops:x',1,50,200,'ok',200,'$m1',NULL);
CREATE TABLE charts (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	span       TEXT NOT NULL CHECK (span = '24h' OR span = '7d' OR span = '30d'),
	created_ms INTEGER NOT NULL,
	until_ms   INTEGER NOT NULL, -- the end of what it shows
	room       TEXT NOT NULL,
	app        TEXT,             -- NULL = all
	root       TEXT,             -- event id of the thread it answers in; NULL = nobody asked
	reply_to   TEXT
) STRICT;
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
INSERT INTO "commands" VALUES(1,7000,'done','@op:x','PHONE','ops','!ops:x','$c1','!ack r-1','acked 1');
CREATE TABLE contents (
	outbox_id    INTEGER PRIMARY KEY REFERENCES outbox (id) ON DELETE CASCADE,
	content      TEXT NOT NULL,
	wire_content TEXT -- what is sent in its place when it is encrypted
) STRICT;
INSERT INTO "contents" VALUES(1,'{"body":"one"}',NULL);
INSERT INTO "contents" VALUES(2,'{"body":"edit"}','{"ciphertext":"c"}');
INSERT INTO "contents" VALUES(4,'{"body":"reply"}',NULL);
INSERT INTO "contents" VALUES(5,'{"body":"alive","org.matrix-telemetry-bot.alert":{"heartbeat":{"date":"2026-11-24"}}}',NULL);
INSERT INTO "contents" VALUES(6,'{"body":"answer","org.matrix-telemetry-bot.alert":{"txn_id":"mtb06"}}',NULL);
INSERT INTO "contents" VALUES(8,'{"body":"storm"}',NULL);
CREATE TABLE crypto (
	id    INTEGER PRIMARY KEY,
	kind  TEXT NOT NULL,
	key   TEXT NOT NULL,
	value TEXT NOT NULL,
	UNIQUE (kind, key)
) STRICT;
INSERT INTO "crypto" VALUES(1,'account','','secret');
INSERT INTO "crypto" VALUES(2,'inbound','!ops:xS1@op:x','{"user":"@op:x"}');
CREATE TABLE "entries" (
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
	fields       TEXT NOT NULL, silent_ms INTEGER NOT NULL DEFAULT 0, told_ms INTEGER NOT NULL DEFAULT 0, test INTEGER NOT NULL DEFAULT FALSE CHECK (test IN (FALSE, TRUE)), resolved_by TEXT, resolve_note TEXT, runs INTEGER NOT NULL DEFAULT 0, run_ids TEXT NOT NULL DEFAULT '[]', due_ms INTEGER NOT NULL DEFAULT 0,
	UNIQUE (message_id, fingerprint)
) STRICT;
INSERT INTO "entries" VALUES(1,1,'critical',3,900,1350,0,1500,1450,1250,900000,'@op:x','mine','f1','s1','data_factory','node_failed','etl_users','https://x/','k-1','ext-1','{"node_id":"etl_users"}',0,900,0,NULL,NULL,3,'["r-1","r-2","r-3"]',0);
INSERT INTO "entries" VALUES(2,3,'warning',1,2900,2900,3150,0,0,2900,0,NULL,NULL,'f2','s2','call_monitor','violations','rules',NULL,NULL,NULL,'{}',0,2900,0,NULL,NULL,0,'[]',0);
INSERT INTO "entries" VALUES(3,4,'info',1,3900,3900,0,0,0,3900,0,NULL,NULL,'f3','s3','etl','message','t',NULL,NULL,NULL,'{}',0,3900,0,NULL,NULL,25,'["e-6","e-7","e-8","e-9","e-10","e-11","e-12","e-13","e-14","e-15","e-16","e-17","e-18","e-19","e-20","e-21","e-22","e-23","e-24","e-25"]',0);
CREATE TABLE "entry_runs" (
	entry_id INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
	run_id   TEXT NOT NULL,
	PRIMARY KEY (entry_id, run_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "entry_runs" VALUES(3,'e-1');
INSERT INTO "entry_runs" VALUES(3,'e-2');
INSERT INTO "entry_runs" VALUES(3,'e-3');
INSERT INTO "entry_runs" VALUES(3,'e-4');
INSERT INTO "entry_runs" VALUES(3,'e-5');
CREATE TABLE expiries (
	id       INTEGER PRIMARY KEY REFERENCES alerts (id) ON DELETE CASCADE, -- of the first alert
	subject  TEXT NOT NULL UNIQUE,
	ends_ms  INTEGER NOT NULL,
	lasts_ms INTEGER NOT NULL -- from its last coming to its end
) STRICT;
INSERT INTO "expiries" VALUES(9,'s3',9000,5000);
CREATE TABLE heartbeats (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	due_ms       INTEGER NOT NULL,
	posted_ms    INTEGER NOT NULL, -- given to the queue
	confirmed_ms INTEGER NOT NULL, -- 0 = not by the homeserver yet
	alarmed_ms   INTEGER NOT NULL, -- when it was found missing; 0 = it was not
	outbox_id    INTEGER NOT NULL, -- may name a row that is gone
	late         INTEGER NOT NULL,
	ping         INTEGER NOT NULL, -- 1 = ping_url is still to be called
	tell         INTEGER NOT NULL, -- 1 = the other channels are still to be told
	date         TEXT NOT NULL UNIQUE,
	alarm        TEXT,
	open         INTEGER GENERATED ALWAYS AS
	             (confirmed_ms = 0 OR ping = 1 OR tell = 1) VIRTUAL
) STRICT;
INSERT INTO "heartbeats" VALUES(1,5000,5000,5200,0,5,0,1,0,'2026-11-24',NULL);
CREATE TABLE history (
	id          INTEGER PRIMARY KEY,
	at_ms       INTEGER NOT NULL,
	fingerprint TEXT NOT NULL,
	what        TEXT NOT NULL
, ended INTEGER NOT NULL DEFAULT FALSE CHECK (ended = FALSE OR ended = TRUE), author TEXT, note TEXT) STRICT;
INSERT INTO "history" VALUES(1,1500,'f1','acked by @op:x: mine',0,NULL,NULL);
CREATE TABLE mended (
	id      INTEGER PRIMARY KEY,
	count   INTEGER NOT NULL,
	last_ms INTEGER NOT NULL,
	app     TEXT NOT NULL UNIQUE,
	note    TEXT NOT NULL
) STRICT;
INSERT INTO "mended" VALUES(1,3,9000,'etl','severity');
CREATE TABLE "messages" (
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
	rings_for INTEGER REFERENCES messages (id) ON DELETE SET NULL, rings INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "messages" VALUES(1,'alerts','critical',1000,1100,1200,1300,1400,0,61200,1400,1,500,1,3,'ops','!ops:x','data_factory','$m1',NULL,0);
INSERT INTO "messages" VALUES(2,'ring','critical',2000,0,0,0,0,0,0,0,0,0,0,0,'ops',NULL,'data_factory',NULL,1,1);
INSERT INTO "messages" VALUES(3,'storm','warning',3000,3100,3200,0,0,3300,0,0,0,100,0,2,'dev','!dev:x','*','$m3',NULL,0);
INSERT INTO "messages" VALUES(4,'alerts','info',4000,0,0,4400,0,0,64400,0,0,50,0,1,'dev',NULL,'etl',NULL,NULL,0);
CREATE TABLE oncall_overrides (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms    INTEGER NOT NULL,
	start_ms INTEGER NOT NULL,
	end_ms   INTEGER NOT NULL,
	name     TEXT NOT NULL, -- of the schedule
	user     TEXT NOT NULL, -- who has it meanwhile
	author   TEXT NOT NULL  -- who said so
) STRICT;
INSERT INTO "oncall_overrides" VALUES(1,7000,7000,9000,'ops','@op:x','@op:x');
CREATE TABLE "outbox" (
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
INSERT INTO "outbox" VALUES(1,'sent','new',1,1000,1100,1200,1100,1,'ops','!ops:x','mtb01','m.room.message',NULL,'DEV','$m1',NULL);
INSERT INTO "outbox" VALUES(2,'frozen','edit',1,1300,1310,0,1310,2,'ops','!ops:x','mtb02','m.room.message','m.room.encrypted','DEV',NULL,'timeout');
INSERT INTO "outbox" VALUES(3,'queued','new',2,2000,0,0,0,0,'ops',NULL,'mtb03','m.room.message',NULL,NULL,NULL,NULL);
INSERT INTO "outbox" VALUES(4,'undeliverable','reply',4,4100,4200,0,4200,1,'dev','!dev:x','mtb04','m.room.message',NULL,'DEV',NULL,'forbidden');
INSERT INTO "outbox" VALUES(5,'sent','heartbeat',NULL,5000,5100,5200,5100,1,'ops','!ops:x','mtb05','m.room.message',NULL,'DEV','$n5',NULL);
INSERT INTO "outbox" VALUES(6,'queued','note',NULL,6000,0,0,0,0,'ops',NULL,'mtb06','m.room.message',NULL,NULL,NULL,NULL);
INSERT INTO "outbox" VALUES(8,'sent','new',3,3000,3100,3200,3100,1,'dev','!dev:x','mtb08','m.room.message',NULL,'DEV','$m3',NULL);
CREATE TABLE places (
	alert_id   INTEGER PRIMARY KEY REFERENCES alerts (id) ON DELETE CASCADE,
	message_id INTEGER NOT NULL REFERENCES messages (id),
	outbox_id  INTEGER -- NULL = none yet
) STRICT;
INSERT INTO "places" VALUES(1,1,1);
INSERT INTO "places" VALUES(2,1,NULL);
INSERT INTO "places" VALUES(3,3,8);
INSERT INTO "places" VALUES(4,3,NULL);
INSERT INTO "places" VALUES(9,4,NULL);
CREATE TABLE quiets (
	id   INTEGER PRIMARY KEY,
	held INTEGER NOT NULL,
	room TEXT NOT NULL,
	name TEXT NOT NULL, problem TEXT,
	UNIQUE (name, room)
) STRICT;
INSERT INTO "quiets" VALUES(1,4,'dev','nightly',NULL);
CREATE TABLE "rooms" (
	id          INTEGER PRIMARY KEY,
	encrypted   INTEGER NOT NULL CHECK (encrypted = FALSE OR encrypted = TRUE),
	room_id     TEXT NOT NULL UNIQUE,
	address     TEXT UNIQUE,
	encryption  TEXT,
	replaced_by TEXT
) STRICT;
INSERT INTO "rooms" VALUES(1,0,'!dev:x','#dev:x',NULL,'!dev2:x');
INSERT INTO "rooms" VALUES(2,1,'!ops:x','#ops:x','{"algorithm":"m.megolm.v1.aes-sha2"}',NULL);
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
, start_ms INTEGER NOT NULL DEFAULT 0, until_resolved INTEGER NOT NULL DEFAULT 0, problem TEXT) STRICT;
INSERT INTO "silences" VALUES(1,3100,9000,0,1,'@op:x','dev','app="etl"','deploy',0,0,NULL);
INSERT INTO "silences" VALUES(2,3100,604803100,0,0,'@op:x',NULL,'app="x"','',0,1,'too many steps');
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
INSERT INTO "sql_watches" VALUES(1,'critical',0,8000,8100,8200,'stock','bolts','{"app":"shop"}');
INSERT INTO "sql_watches" VALUES(2,'warning',1,0,8100,0,'stock','','{}');
CREATE TABLE state (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "state" VALUES('sync.since','s72_1');
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
INSERT INTO "undecrypted" VALUES(1,7100,0,100,'ops','!ops:x','$u1','{}');
CREATE TABLE undelivered (
	alert_id     INTEGER PRIMARY KEY REFERENCES alerts (id) ON DELETE CASCADE,
	told_ms      INTEGER NOT NULL, -- 0 = is to be told
	recovered_ms INTEGER NOT NULL  -- 0 = it is not in its room yet; else that is to be told
) STRICT;
INSERT INTO "undelivered" VALUES(1,8000,0);
CREATE UNIQUE INDEX commands_event ON commands (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX commands_sender ON commands (sender, result, at_ms);
CREATE INDEX commands_at ON commands (at_ms);
CREATE INDEX silences_active ON silences (id) WHERE ended_ms = 0;
CREATE INDEX heartbeats_open ON heartbeats (open, due_ms);
CREATE INDEX heartbeats_due ON heartbeats (due_ms);
CREATE INDEX app_heartbeats_deadline ON app_heartbeats (deadline_ms) WHERE missed_ms = 0;
CREATE INDEX history_fingerprint ON history (fingerprint);
CREATE INDEX history_at ON history (at_ms);
CREATE INDEX app_heartbeats_held ON app_heartbeats (id) WHERE held = 1;
CREATE INDEX app_heartbeats_missed ON app_heartbeats (missed_ms) WHERE missed_ms > 0;
CREATE INDEX silences_ended ON silences (ended_ms) WHERE ended_ms > 0;
CREATE INDEX messages_open ON messages (room, origin) WHERE closed_ms = 0;
CREATE INDEX messages_end ON messages (end_ms) WHERE end_ms > 0;
CREATE INDEX messages_edit ON messages (room, edit_ms) WHERE edit_ms > 0;
CREATE INDEX messages_opened ON messages (opened_ms, kind);
CREATE INDEX entries_firing ON entries (subject) WHERE resolved_ms = 0;
CREATE INDEX entries_critical ON entries (app, identity)
	WHERE severity = 'critical' AND resolved_ms = 0;
CREATE INDEX entries_open ON entries (last_ms, severity, acked_ms) WHERE resolved_ms = 0;
CREATE INDEX entries_acked ON entries (acked_ms) WHERE resolved_ms = 0 AND acked_ms > 0;
CREATE INDEX outbox_waiting ON outbox (room) WHERE state = 'queued' OR state = 'frozen';
CREATE INDEX outbox_undeliverable ON outbox (id) WHERE state <> 'queued' AND state <> 'frozen' AND state <> 'sent';
CREATE INDEX outbox_message ON outbox (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX outbox_created ON outbox (created_ms);
CREATE INDEX outbox_event ON outbox (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX alerts_run ON alerts (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX alerts_app ON alerts (app);
CREATE INDEX alerts_silence ON alerts (silence_id) WHERE silence_id IS NOT NULL;
CREATE INDEX alerts_held ON alerts (subject) WHERE held = TRUE;
CREATE INDEX alerts_quiet ON alerts (quiet) WHERE held = TRUE AND quiet IS NOT NULL;
CREATE INDEX alerts_inhibited ON alerts (received_ms) WHERE cause = 'inhibited';
CREATE INDEX alerts_inhibited_now ON alerts (id) WHERE held = TRUE AND cause = 'inhibited';
CREATE INDEX places_message ON places (message_id, outbox_id);
CREATE INDEX rooms_encrypted ON rooms (encrypted) WHERE encrypted = TRUE;
CREATE INDEX oncall_overrides_end ON oncall_overrides (end_ms);
CREATE INDEX messages_rings_for ON messages (rings_for) WHERE rings_for IS NOT NULL;
CREATE INDEX alerts_received ON alerts (received_ms, resolved, test, severity, app);
CREATE INDEX entries_remind ON entries (reminded_ms)
	WHERE severity = 'critical' AND resolved_ms = 0 AND acked_ms = 0 AND test = FALSE AND open_ms > 0;
CREATE INDEX entries_escalate ON entries (escalated_ms, open_ms)
	WHERE severity = 'critical' AND resolved_ms = 0 AND acked_ms = 0 AND test = FALSE AND open_ms > 0;
CREATE INDEX entries_ever_acked ON entries (acked_ms) WHERE acked_ms > 0;
CREATE INDEX expiries_end ON expiries (ends_ms);
CREATE INDEX entries_due ON entries (due_ms) WHERE resolved_ms = 0 AND due_ms > 0;
CREATE UNIQUE INDEX alerts_ext ON alerts (ext_id, app) WHERE ext_id IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('commands',1);
INSERT INTO "sqlite_sequence" VALUES('silences',2);
INSERT INTO "sqlite_sequence" VALUES('heartbeats',1);
INSERT INTO "sqlite_sequence" VALUES('app_heartbeats',1);
INSERT INTO "sqlite_sequence" VALUES('messages',9);
INSERT INTO "sqlite_sequence" VALUES('outbox',8);
INSERT INTO "sqlite_sequence" VALUES('alerts',99);
INSERT INTO "sqlite_sequence" VALUES('oncall_overrides',1);
COMMIT;
PRAGMA application_id = 1836343857;
PRAGMA user_version = 26;
