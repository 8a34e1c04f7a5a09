-- The optimiser apart from the rest of the trainer's state: SQLite writes a row as a whole, and this one has 400 kB that
-- change with an update, beside a few hundred bytes that change with every episode.

CREATE TABLE trainerOptimizer (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  -- Weights, optimiser, random state.
  bytes BLOB NOT NULL
) STRICT;

INSERT INTO trainerOptimizer (application, bytes)
SELECT application, optimizer FROM trainerState WHERE optimizer IS NOT NULL;

CREATE TABLE trainerProgress (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  -- Last episode that was taken into account.
  episode INTEGER NOT NULL,
  -- Window, stage, pending episodes: small, written for every episode.
  state BLOB NOT NULL
) STRICT;

INSERT INTO trainerProgress (application, episode, state) SELECT application, episode, state FROM trainerState;

DROP TABLE trainerState;

ALTER TABLE trainerProgress RENAME TO trainerState;
