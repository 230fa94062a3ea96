-- What people and the bot did about a failure, by episodes: TRUE = it was over then.

ALTER TABLE history ADD COLUMN ended INTEGER NOT NULL DEFAULT FALSE CHECK (ended = FALSE OR ended = TRUE);

-- Warnings that a critical failure inhibits, until that is over.
CREATE INDEX alerts_inhibited_now ON alerts (id) WHERE held = TRUE AND cause = 'inhibited';
