-- Stored alerts know what matchers may ask for; why a silence or a quiet time holds nothing back.

ALTER TABLE alerts ADD COLUMN key TEXT;
ALTER TABLE entries ADD COLUMN key TEXT;
ALTER TABLE entries ADD COLUMN ext_id TEXT;
ALTER TABLE silences ADD COLUMN problem TEXT;
ALTER TABLE quiets ADD COLUMN problem TEXT;
