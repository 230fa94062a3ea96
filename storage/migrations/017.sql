-- Messages are written from data when they leave: no finished text is stored, and a ring knows the
-- message that it speaks of.

ALTER TABLE entries DROP COLUMN body;
ALTER TABLE entries DROP COLUMN html;
-- When it joined a message by an edit, which rings nowhere; when it could first be read.
ALTER TABLE entries ADD COLUMN silent_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN told_ms INTEGER NOT NULL DEFAULT 0;
UPDATE entries SET told_ms = first_ms;

ALTER TABLE messages ADD COLUMN rings_for INTEGER REFERENCES messages (id) ON DELETE SET NULL;
ALTER TABLE messages ADD COLUMN rings INTEGER NOT NULL DEFAULT 0;
UPDATE messages SET rings = 1, rings_for = (SELECT m.id FROM messages m WHERE m.id < messages.id AND
	m.id > messages.id - 1000 AND m.room = messages.room AND m.origin = messages.origin AND
	m.kind = 'alerts' ORDER BY m.id DESC LIMIT 1) WHERE kind = 'ring';
UPDATE messages SET rings = (SELECT max(m.silent, 1) FROM messages m WHERE m.id = messages.rings_for)
	WHERE kind = 'ring' AND rings_for IS NOT NULL;
ALTER TABLE messages DROP COLUMN lead;
CREATE INDEX messages_rings_for ON messages (rings_for) WHERE rings_for IS NOT NULL;

-- Tests are in no count, no reminder and nobody's list.
ALTER TABLE entries ADD COLUMN test INTEGER NOT NULL DEFAULT FALSE CHECK (test IN (FALSE, TRUE));
ALTER TABLE alerts ADD COLUMN test INTEGER NOT NULL DEFAULT FALSE CHECK (test IN (FALSE, TRUE));
UPDATE entries SET test = TRUE, reminded_ms = last_ms, escalated_ms = 0
	WHERE reminded_ms = 9223372036854775807;
UPDATE alerts SET test = TRUE WHERE json_valid(fields) AND json_extract(fields, '$.test') = TRUE;
DROP INDEX alerts_received;
CREATE INDEX alerts_received ON alerts (received_ms, resolved, test, severity, app);
