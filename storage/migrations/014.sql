-- Which failures fire and are held back, and by which quiet time.

ALTER TABLE alerts ADD COLUMN held INTEGER NOT NULL DEFAULT 0; -- 1 = fires and is held back
ALTER TABLE alerts ADD COLUMN quiet TEXT;                      -- name of the quiet time, or NULL
CREATE INDEX alerts_held ON alerts (subject) WHERE held = 1;
CREATE INDEX alerts_quiet ON alerts (quiet) WHERE held = 1 AND quiet IS NOT NULL;

UPDATE alerts SET held = 1 WHERE state = 2 AND resolved = 0
	AND silence_id IN (SELECT id FROM silences WHERE ended_ms = 0)
	AND NOT EXISTS (SELECT 1 FROM alerts r WHERE r.subject = alerts.subject AND r.id > alerts.id
		AND (r.resolved = 1 OR r.fingerprint = alerts.fingerprint));
