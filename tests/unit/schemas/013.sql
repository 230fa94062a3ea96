-- A database of schema 13, as its version wrote it, with rows of each kind.
BEGIN TRANSACTION;
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
, silence_id INTEGER, key TEXT) STRICT;
INSERT INTO "alerts" VALUES(1,2,0,0,900,1000,1,1,1000,1001,77,'ext-1','data_factory','node_failed','r-1','s1','f1','ops','new message: first of its minute','etl_users','FAILED','https://x/','{"node_id":"etl_users"}',NULL,'k-1');
INSERT INTO "alerts" VALUES(2,2,0,1,1300,1350,1,NULL,1000,1001,77,NULL,'data_factory','node_failed','r-2','s1','f1','ops','joined: within its minute','etl_users','FAILED',NULL,'{}',NULL,NULL);
INSERT INTO "alerts" VALUES(3,1,0,0,2900,3000,3,8,-1,-1,-1,NULL,'call_monitor','violations',NULL,'s2','f2','dev','storm: too many new messages','rules','t',NULL,'{}',NULL,NULL);
INSERT INTO "alerts" VALUES(4,1,1,1,3150,3150,3,NULL,0,0,1,NULL,'call_monitor','violations',NULL,'s2','f2','dev','resolved: the message says so','rules','t',NULL,'{}',NULL,NULL);
INSERT INTO "alerts" VALUES(5,1,1,2,3160,3160,NULL,NULL,0,0,1,NULL,'call_monitor','violations',NULL,'s9','f9','dev','nothing of this was firing','rules','t',NULL,'{}',NULL,NULL);
INSERT INTO "alerts" VALUES(6,1,0,2,3170,3170,NULL,NULL,0,0,1,NULL,'etl','message',NULL,'s6','f6','dev','inhibit: a critical failure of the same is firing','t','t',NULL,'{}',NULL,NULL);
INSERT INTO "alerts" VALUES(7,0,0,2,3180,3180,NULL,NULL,0,0,1,NULL,'etl','message',NULL,'s6','f6','dev','silence 1','t','t',NULL,'{}',1,NULL);
INSERT INTO "alerts" VALUES(8,0,0,2,3190,3190,NULL,NULL,0,0,1,NULL,'etl','message',NULL,'s6','f6','dev','quiet time nightly','t','t',NULL,'{}',NULL,NULL);
INSERT INTO "alerts" VALUES(9,0,0,0,3900,3900,4,NULL,0,0,1,NULL,'etl','message',NULL,'s3','f3','dev','new message: the open one is full','t','t',NULL,'{}',NULL,NULL);
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
INSERT INTO "calls" VALUES(1,1150,'send','ops','!ops:x',1,50,200,'ok',200,'$m1',NULL);
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
CREATE TABLE crypto (
	id    INTEGER PRIMARY KEY,
	kind  TEXT NOT NULL,
	key   TEXT NOT NULL,
	value TEXT NOT NULL,
	UNIQUE (kind, key)
) STRICT;
INSERT INTO "crypto" VALUES(1,'account','','secret');
INSERT INTO "crypto" VALUES(2,'inbound','!ops:xS1@op:x','{"user":"@op:x"}');
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
	fields      TEXT NOT NULL, acked_ms INTEGER NOT NULL DEFAULT 0, reminded_ms INTEGER NOT NULL DEFAULT 0, acked_by TEXT, ack_note TEXT, open_ms INTEGER NOT NULL DEFAULT 0, escalated_ms INTEGER NOT NULL DEFAULT 0, key TEXT, ext_id TEXT,
	UNIQUE (message_id, fingerprint)
) STRICT;
INSERT INTO "entries" VALUES(1,1,2,3,900,1350,0,'f1','s1','data_factory','node_failed','etl_users','https://x/','["r-1","r-2","r-3"]','line''s','<b>line</b>','{"node_id":"etl_users"}',1500,1450,'@op:x','mine',1250,900000,'k-1','ext-1');
INSERT INTO "entries" VALUES(2,3,1,1,2900,2900,3150,'f2','s2','call_monitor','violations','rules',NULL,'[]','b','b','{}',0,0,NULL,NULL,2900,0,NULL,NULL);
INSERT INTO "entries" VALUES(3,4,0,1,3900,3900,0,'f3','s3','etl','message','t',NULL,'rubbish','c','c','{}',0,0,NULL,NULL,3900,0,NULL,NULL);
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
) STRICT;
INSERT INTO "history" VALUES(1,1500,'f1','acked by @op:x: mine');
CREATE TABLE mended (
	id      INTEGER PRIMARY KEY,
	count   INTEGER NOT NULL,
	last_ms INTEGER NOT NULL,
	app     TEXT NOT NULL UNIQUE,
	note    TEXT NOT NULL
) STRICT;
INSERT INTO "mended" VALUES(1,3,9000,'etl','severity');
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
INSERT INTO "messages" VALUES(1,0,2,1000,1100,1200,1300,1400,0,1,500,1,3,'ops','!ops:x','data_factory','$m1','lead');
INSERT INTO "messages" VALUES(2,1,2,2000,0,0,0,0,0,0,0,0,0,'ops',NULL,'data_factory',NULL,'ring');
INSERT INTO "messages" VALUES(3,2,1,3000,3100,3200,0,0,3300,0,100,0,2,'dev','!dev:x','*','$m3',NULL);
INSERT INTO "messages" VALUES(4,0,0,4000,0,0,4400,0,0,0,50,0,1,'dev',NULL,'etl',NULL,NULL);
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
INSERT INTO "outbox" VALUES(1,2,0,1,1000,1100,1200,1100,1,'ops','!ops:x','mtb01','m.room.message',NULL,'DEV','$m1',NULL,'{"body":"one"}',NULL);
INSERT INTO "outbox" VALUES(2,1,1,1,1300,1310,0,1310,2,'ops','!ops:x','mtb02','m.room.message','m.room.encrypted','DEV',NULL,'timeout','{"body":"edit"}','{"ciphertext":"c"}');
INSERT INTO "outbox" VALUES(3,0,0,2,2000,0,0,0,0,'ops',NULL,'mtb03','m.room.message',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "outbox" VALUES(4,3,2,4,4100,4200,0,4200,1,'dev','!dev:x','mtb04','m.room.message',NULL,'DEV',NULL,'forbidden','{"body":"reply"}',NULL);
INSERT INTO "outbox" VALUES(5,2,3,NULL,5000,5100,5200,5100,1,'ops','!ops:x','mtb05','m.room.message',NULL,'DEV','$n5',NULL,'{"body":"alive","org.matrix-telemetry-bot.alert":{"heartbeat":{"date":"2026-11-24"}}}',NULL);
INSERT INTO "outbox" VALUES(6,0,3,NULL,6000,0,0,0,0,'ops',NULL,'mtb06','m.room.message',NULL,NULL,NULL,NULL,'{"body":"answer","org.matrix-telemetry-bot.alert":{"txn_id":"mtb06"}}',NULL);
INSERT INTO "outbox" VALUES(8,2,0,3,3000,3100,3200,3100,1,'dev','!dev:x','mtb08','m.room.message',NULL,'DEV','$m3',NULL,'{"body":"storm"}',NULL);
CREATE TABLE quiets (
	id   INTEGER PRIMARY KEY,
	held INTEGER NOT NULL,
	room TEXT NOT NULL,
	name TEXT NOT NULL, problem TEXT,
	UNIQUE (name, room)
) STRICT;
INSERT INTO "quiets" VALUES(1,4,'dev','nightly',NULL);
CREATE TABLE rooms (
	room_id     TEXT PRIMARY KEY,
	address     TEXT UNIQUE,
	encrypted   INTEGER NOT NULL CHECK (encrypted BETWEEN 0 AND 1),
	encryption  TEXT,
	replaced_by TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO "rooms" VALUES('!dev:x','#dev:x',0,NULL,'!dev2:x');
INSERT INTO "rooms" VALUES('!ops:x','#ops:x',1,'{"algorithm":"m.megolm.v1.aes-sha2"}',NULL);
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
CREATE TABLE sqlwatch (
	id       INTEGER PRIMARY KEY,
	severity INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 2), -- enum severity
	fault    INTEGER NOT NULL CHECK (fault BETWEEN 0 AND 1),    -- 1 = the watch itself failed
	told_ms  INTEGER NOT NULL, -- handed in last as an alert that was not held back
	tried_ms INTEGER NOT NULL, -- handed in last
	shown_ms INTEGER NOT NULL, -- its message was brought up to date last
	watch    TEXT NOT NULL,
	subject  TEXT NOT NULL,
	request  TEXT NOT NULL,    -- the alert, JSON
	UNIQUE (watch, subject)
) STRICT;
INSERT INTO "sqlwatch" VALUES(1,2,0,8000,8100,8200,'stock','bolts','{"app":"shop"}');
INSERT INTO "sqlwatch" VALUES(2,1,1,0,8100,0,'stock','','{}');
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
CREATE INDEX messages_event ON messages (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX messages_open ON messages (room, origin) WHERE closed_ms = 0;
CREATE INDEX messages_dirty ON messages (room, dirty_ms) WHERE dirty_ms > 0;
CREATE INDEX messages_opened ON messages (opened_ms, kind);
CREATE INDEX entries_firing ON entries (subject) WHERE resolved_ms = 0;
CREATE INDEX outbox_waiting ON outbox (room) WHERE state <= 1;
CREATE INDEX outbox_set_aside ON outbox (state) WHERE state = 3;
CREATE INDEX outbox_message ON outbox (message_id, state) WHERE message_id IS NOT NULL;
CREATE INDEX outbox_created ON outbox (created_ms);
CREATE UNIQUE INDEX alerts_ext ON alerts (ext_id) WHERE ext_id IS NOT NULL;
CREATE INDEX alerts_run ON alerts (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX alerts_app ON alerts (app);
CREATE INDEX alerts_received ON alerts (received_ms, severity);
CREATE INDEX alerts_message ON alerts (message_id, outbox_id) WHERE message_id IS NOT NULL;
CREATE INDEX alerts_outbox ON alerts (outbox_id) WHERE outbox_id IS NOT NULL;
CREATE INDEX calls_at ON calls (at_ms, result, latency_ms);
CREATE INDEX rooms_encrypted ON rooms (encrypted, room_id) WHERE encrypted = 1;
CREATE UNIQUE INDEX commands_event ON commands (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX commands_sender ON commands (sender, result, at_ms);
CREATE INDEX commands_at ON commands (at_ms);
CREATE INDEX entries_unacked ON entries (last_ms)
	WHERE severity = 2 AND resolved_ms = 0 AND acked_ms = 0;
CREATE INDEX entries_acked ON entries (acked_ms) WHERE resolved_ms = 0 AND acked_ms > 0;
CREATE INDEX silences_active ON silences (id) WHERE ended_ms = 0;
CREATE INDEX entries_critical ON entries (app, identity) WHERE severity = 2 AND resolved_ms = 0;
CREATE INDEX heartbeats_open ON heartbeats (open, due_ms);
CREATE INDEX heartbeats_due ON heartbeats (due_ms);
CREATE INDEX app_heartbeats_deadline ON app_heartbeats (deadline_ms) WHERE missed_ms = 0;
CREATE INDEX alerts_silence ON alerts (silence_id) WHERE silence_id IS NOT NULL;
CREATE INDEX alerts_resolved ON alerts (subject) WHERE resolved = 1;
CREATE INDEX outbox_event ON outbox (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX entries_open ON entries (last_ms) WHERE resolved_ms = 0;
CREATE INDEX history_fingerprint ON history (fingerprint);
CREATE INDEX history_at ON history (at_ms);
CREATE INDEX app_heartbeats_held ON app_heartbeats (id) WHERE held = 1;
CREATE INDEX app_heartbeats_missed ON app_heartbeats (missed_ms) WHERE missed_ms > 0;
CREATE INDEX silences_ended ON silences (ended_ms) WHERE ended_ms > 0;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('messages',9);
INSERT INTO "sqlite_sequence" VALUES('outbox',8);
INSERT INTO "sqlite_sequence" VALUES('alerts',99);
INSERT INTO "sqlite_sequence" VALUES('commands',1);
INSERT INTO "sqlite_sequence" VALUES('silences',2);
INSERT INTO "sqlite_sequence" VALUES('heartbeats',1);
INSERT INTO "sqlite_sequence" VALUES('app_heartbeats',1);
COMMIT;
PRAGMA application_id = 1836343857;
PRAGMA user_version = 13;
