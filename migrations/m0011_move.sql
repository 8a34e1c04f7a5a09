-- Applications that came from another server, and such as are on their way to one.

CREATE TABLE moved (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  -- The id that it had where it was made, and that server's seed: its exploration is drawn from them.
  number INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  -- What was added to the numbers of its decisions: without it they are those that its callers know.
  shift INTEGER NOT NULL,
  sum INTEGER
) STRICT;

-- Nothing is decided for an application while its row is there.
CREATE TABLE seal (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  created REAL NOT NULL
) STRICT;
