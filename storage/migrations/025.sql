-- An alert's title is written from its fields when somebody asks, not for each alert.

ALTER TABLE alerts DROP COLUMN title;
