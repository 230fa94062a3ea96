-- Who closed a failure by hand, and the note that was given; NULL where its app said that it is over.

ALTER TABLE entries ADD COLUMN resolved_by TEXT;
ALTER TABLE entries ADD COLUMN resolve_note TEXT;

-- The same of what was done about a failure; older rows have all of it in words.
ALTER TABLE history ADD COLUMN author TEXT;
ALTER TABLE history ADD COLUMN note TEXT;
