-- What a silence holds, the rooms of it, and the silences that end next are found without reading
-- whatever else is held, was held or holds.

CREATE INDEX alerts_held_by ON alerts (silence_id) WHERE held = TRUE AND silence_id IS NOT NULL;
DROP INDEX alerts_silence;
CREATE INDEX alerts_silence ON alerts (silence_id, room) WHERE silence_id IS NOT NULL;
CREATE INDEX silences_end ON silences (end_ms) WHERE ended_ms = 0;
