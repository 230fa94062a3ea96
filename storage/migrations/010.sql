-- Room keys and used message indexes belong to who gave the key: the user's id is a part of their
-- names, which earlier versions did not have ("room, session" and "session, index").

CREATE TABLE moved (
	session TEXT PRIMARY KEY,
	user    TEXT NOT NULL
) STRICT;
INSERT OR IGNORE INTO moved (session, user)
SELECT substr(key, instr(key, char(31)) + 1), json_extract(value, '$.user')
FROM crypto
WHERE kind = 'inbound' AND length(key) - length(replace(key, char(31), '')) = 1
	AND json_valid(value) AND json_extract(value, '$.user') IS NOT NULL;

-- what was given first is better than what was asked for since
UPDATE OR REPLACE crypto SET key = key || char(31) || json_extract(value, '$.user')
WHERE kind = 'inbound' AND length(key) - length(replace(key, char(31), '')) = 1
	AND json_valid(value) AND json_extract(value, '$.user') IS NOT NULL;

UPDATE OR IGNORE crypto
SET key = substr(key, 1, instr(key, char(31)))
	|| (SELECT user FROM moved WHERE session = substr(key, 1, instr(key, char(31)) - 1))
	|| substr(key, instr(key, char(31)))
WHERE kind = 'index' AND length(key) - length(replace(key, char(31), '')) = 1
	AND substr(key, 1, instr(key, char(31)) - 1) IN (SELECT session FROM moved);

DROP TABLE moved;
