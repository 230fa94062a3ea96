-- Critical alerts that the other channels of [meta] are told of, since they were not in their room in
-- time; a row goes when its recovery was told.

CREATE TABLE undelivered (
	alert_id     INTEGER PRIMARY KEY REFERENCES alerts (id) ON DELETE CASCADE,
	told_ms      INTEGER NOT NULL, -- 0 = is to be told
	recovered_ms INTEGER NOT NULL  -- 0 = it is not in its room yet; else that is to be told
) STRICT;
