-- A database of schema 2, as its version wrote it, with rows of each kind.
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
) STRICT;
INSERT INTO "alerts" VALUES(1,2,0,0,900,1000,1,1,1000,1001,77,'ext-1','data_factory','node_failed','r-1','s1','f1','ops','new message: first of its minute','etl_users','FAILED','https://x/','{"node_id":"etl_users"}');
INSERT INTO "alerts" VALUES(2,2,0,1,1300,1350,1,NULL,1000,1001,77,NULL,'data_factory','node_failed','r-2','s1','f1','ops','joined: within its minute','etl_users','FAILED',NULL,'{}');
INSERT INTO "alerts" VALUES(3,1,0,0,2900,3000,3,8,-1,-1,-1,NULL,'call_monitor','violations',NULL,'s2','f2','dev','storm: too many new messages','rules','t',NULL,'{}');
INSERT INTO "alerts" VALUES(4,1,1,1,3150,3150,3,NULL,0,0,1,NULL,'call_monitor','violations',NULL,'s2','f2','dev','resolved: the message says so','rules','t',NULL,'{}');
INSERT INTO "alerts" VALUES(5,1,1,2,3160,3160,NULL,NULL,0,0,1,NULL,'call_monitor','violations',NULL,'s9','f9','dev','nothing of this was firing','rules','t',NULL,'{}');
INSERT INTO "alerts" VALUES(6,1,0,2,3170,3170,NULL,NULL,0,0,1,NULL,'etl','message',NULL,'s6','f6','dev','inhibit: a critical failure of the same is firing','t','t',NULL,'{}');
INSERT INTO "alerts" VALUES(7,0,0,2,3180,3180,NULL,NULL,0,0,1,NULL,'etl','message',NULL,'s6','f6','dev','silence 1','t','t',NULL,'{}');
INSERT INTO "alerts" VALUES(8,0,0,2,3190,3190,NULL,NULL,0,0,1,NULL,'etl','message',NULL,'s6','f6','dev','quiet time nightly','t','t',NULL,'{}');
INSERT INTO "alerts" VALUES(9,0,0,0,3900,3900,4,NULL,0,0,1,NULL,'etl','message',NULL,'s3','f3','dev','new message: the open one is full','t','t',NULL,'{}');
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
CREATE TABLE crypto (
	id    INTEGER PRIMARY KEY,
	kind  TEXT NOT NULL,
	key   TEXT NOT NULL,
	value TEXT NOT NULL,
	UNIQUE (kind, key)
) STRICT;
INSERT INTO "crypto" VALUES(1,'account','','secret');
INSERT INTO "crypto" VALUES(2,'inbound','!ops:xS1','{"user":"@op:x"}');
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
INSERT INTO "entries" VALUES(1,1,2,3,900,1350,0,'f1','s1','data_factory','node_failed','etl_users','https://x/','["r-1","r-2","r-3"]','line''s','<b>line</b>','{"node_id":"etl_users"}');
INSERT INTO "entries" VALUES(2,3,1,1,2900,2900,3150,'f2','s2','call_monitor','violations','rules',NULL,'[]','b','b','{}');
INSERT INTO "entries" VALUES(3,4,0,1,3900,3900,0,'f3','s3','etl','message','t',NULL,'rubbish','c','c','{}');
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
CREATE TABLE rooms (
	room_id     TEXT PRIMARY KEY,
	address     TEXT UNIQUE,
	encrypted   INTEGER NOT NULL CHECK (encrypted BETWEEN 0 AND 1),
	encryption  TEXT,
	replaced_by TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO "rooms" VALUES('!dev:x','#dev:x',0,NULL,'!dev2:x');
INSERT INTO "rooms" VALUES('!ops:x','#ops:x',1,'{"algorithm":"m.megolm.v1.aes-sha2"}',NULL);
CREATE TABLE state (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "state" VALUES('sync.since','s72_1');
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('messages',9);
INSERT INTO "sqlite_sequence" VALUES('outbox',8);
INSERT INTO "sqlite_sequence" VALUES('alerts',99);
COMMIT;
PRAGMA application_id = 1836343857;
PRAGMA user_version = 2;
