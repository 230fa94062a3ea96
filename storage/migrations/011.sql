-- A heartbeat that is missed while its alert is held back is told when that is over.

ALTER TABLE app_heartbeats ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
CREATE INDEX app_heartbeats_held ON app_heartbeats (id) WHERE held = 1;
CREATE INDEX app_heartbeats_missed ON app_heartbeats (missed_ms) WHERE missed_ms > 0;

-- Ended silences are deleted with what else is old.
CREATE INDEX silences_ended ON silences (ended_ms) WHERE ended_ms > 0;
