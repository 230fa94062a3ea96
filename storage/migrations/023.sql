-- An entry has its newest runs in its own row, which is written once for many alerts; `entry_runs`
-- has the others.

ALTER TABLE entries ADD COLUMN runs INTEGER NOT NULL DEFAULT 0;       -- all there are
ALTER TABLE entries ADD COLUMN run_ids TEXT NOT NULL DEFAULT '[]';    -- the newest 20, oldest first
UPDATE entries SET
	runs = (SELECT count(*) FROM entry_runs r WHERE r.entry_id = entries.id),
	run_ids = (SELECT json_group_array(run_id) FROM (SELECT run_id FROM entry_runs r
		WHERE r.entry_id = entries.id AND number > (SELECT max(number) FROM entry_runs
		WHERE entry_id = entries.id) - 20 ORDER BY number))
	WHERE id IN (SELECT entry_id FROM entry_runs);

CREATE TABLE new_entry_runs (
	entry_id INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
	run_id   TEXT NOT NULL,
	PRIMARY KEY (entry_id, run_id)
) STRICT, WITHOUT ROWID;
INSERT INTO new_entry_runs SELECT entry_id, run_id FROM entry_runs r
	WHERE number <= (SELECT max(number) FROM entry_runs WHERE entry_id = r.entry_id) - 20;
DROP TABLE entry_runs;
ALTER TABLE new_entry_runs RENAME TO entry_runs;
