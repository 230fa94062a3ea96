-- When a failure may have been firing for longer than resolve_after of its app or kind: what is due
-- is found without reading all that fires. 0 = it has no such limit.

ALTER TABLE entries ADD COLUMN due_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX entries_due ON entries (due_ms) WHERE resolved_ms = 0 AND due_ms > 0;

-- An id is its app's own: two apps may use the same one.
DROP INDEX alerts_ext;
CREATE UNIQUE INDEX alerts_ext ON alerts (ext_id, app) WHERE ext_id IS NOT NULL;
