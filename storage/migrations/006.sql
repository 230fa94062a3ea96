-- What a critical failure mutes is found by app and what failed.

CREATE INDEX entries_critical ON entries (app, identity) WHERE severity = 2 AND resolved_ms = 0;
