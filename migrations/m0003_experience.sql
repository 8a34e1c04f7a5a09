-- What other controllers observed, did and earned; and what kind of workload each application is.

-- One step of another controller (a script, an operator, a policy elsewhere): experience to learn from, not decisions of
-- ours. The same time twice is the same step.
CREATE TABLE foreignTransition (
  application INTEGER NOT NULL REFERENCES application (id) ON DELETE CASCADE,
  -- Seconds since 1970 of the observation that was acted upon.
  time REAL NOT NULL,
  -- Who acted, as the client names it.
  controller TEXT NOT NULL,
  -- ForeignTransition's byte form: observation, allocation, reward, next observation.
  record BLOB NOT NULL,
  PRIMARY KEY (application, time)
) STRICT, WITHOUT ROWID;

-- The meta-learned embedding of an application, computed in the background when its best episodes change.
CREATE TABLE embedding (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  -- Which encoder made it: vectors of different encoders cannot be compared.
  encoder INTEGER NOT NULL,
  -- Episodes that it rests on, and the last one that was known then.
  episodes INTEGER NOT NULL CHECK (episodes > 0),
  episode INTEGER NOT NULL,
  created REAL NOT NULL,
  -- Little-endian floats.
  vector BLOB NOT NULL
) STRICT;
