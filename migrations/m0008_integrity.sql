-- What lets a loss be seen: a checksum for the columns of every table that decisions or training rest on (set by the
-- server's own connection; a row that another program changed no longer fits), and the highest numbers ever given.
ALTER TABLE application ADD COLUMN sum INTEGER;
ALTER TABLE agentState ADD COLUMN sum INTEGER;
ALTER TABLE trainerState ADD COLUMN sum INTEGER;
ALTER TABLE trainerOptimizer ADD COLUMN sum INTEGER;
ALTER TABLE episode ADD COLUMN sum INTEGER;
ALTER TABLE model ADD COLUMN sum INTEGER;
ALTER TABLE pin ADD COLUMN sum INTEGER;
ALTER TABLE control ADD COLUMN sum INTEGER;

-- One row. Rows of `decision` and `event` are also deleted, so their maxima say nothing.
CREATE TABLE highest (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL,
  event INTEGER NOT NULL,
  -- Whether a file beside the database keeps what was answered last (from the first start on that wrote it).
  marked INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO highest (id, seq, event)
SELECT 1, coalesce((SELECT max(seq) FROM decision), 0), coalesce((SELECT max(id) FROM event), 0);

-- Applications whose rows are being deleted, a few at a time.
CREATE TABLE deletion (application INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
