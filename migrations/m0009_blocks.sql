-- Decisions of finished episodes, compressed together: 154 bytes each instead of 427, and the rows of `decision` are those
-- of the last episodes only.
CREATE TABLE decisionBlock (
  -- In the order of their making, which is roughly that of time: the oldest are forgotten first.
  id INTEGER PRIMARY KEY,
  application INTEGER NOT NULL,
  episode INTEGER NOT NULL,
  -- Numbers of the first and the last decision in it; those of other applications lie between.
  first INTEGER NOT NULL,
  last INTEGER NOT NULL CHECK (last >= first),
  -- The lowest and the highest time in it.
  started REAL NOT NULL,
  ended REAL NOT NULL,
  count INTEGER NOT NULL CHECK (count > 0),
  -- DecisionBlock's byte form, compressed by zlib: it repeats the columns above, so that a changed one is noticed.
  bytes BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX decisionBlockByEpisode ON decisionBlock (application, episode, first);
-- Pages of history by number and time without touching the blocks themselves.
CREATE INDEX decisionBlockByNumber ON decisionBlock (application, first, started, ended);
