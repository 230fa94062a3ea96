-- What people and the bot did about a failure, by episodes: TRUE = it was over then.

ALTER TABLE history ADD COLUMN ended INTEGER NOT NULL DEFAULT FALSE CHECK (ended = FALSE OR ended = TRUE);

-- Warnings that a critical failure inhibits, until that is over.
CREATE INDEX alerts_inhibited_now ON alerts (id) WHERE held = TRUE AND cause = 'inhibited';

-- What is to be reminded of and escalated next: the first rows of an index, however much fires.
CREATE INDEX entries_remind ON entries (reminded_ms)
	WHERE severity = 'critical' AND resolved_ms = 0 AND acked_ms = 0 AND test = FALSE AND open_ms > 0;
CREATE INDEX entries_escalate ON entries (escalated_ms, open_ms)
	WHERE severity = 'critical' AND resolved_ms = 0 AND acked_ms = 0 AND test = FALSE AND open_ms > 0;
