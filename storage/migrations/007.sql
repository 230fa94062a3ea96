-- Signs of life: the bot's own, one for each date, and those of apps.

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
CREATE INDEX heartbeats_open ON heartbeats (open, due_ms);
CREATE INDEX heartbeats_due ON heartbeats (due_ms);

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
	schedule    TEXT,
	UNIQUE (app, name)
) STRICT;
CREATE INDEX app_heartbeats_deadline ON app_heartbeats (deadline_ms) WHERE missed_ms = 0;
