-- What the encryption machine keeps: texts by kind and key. Secrets in them are encrypted under
-- the pickle key, which is not here.

CREATE TABLE crypto (
	id    INTEGER PRIMARY KEY,
	kind  TEXT NOT NULL,
	key   TEXT NOT NULL,
	value TEXT NOT NULL,
	UNIQUE (kind, key)
) STRICT;
