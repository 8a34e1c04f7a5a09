-- What people demand, who they were, and what became of decisions when it was told apart from an observation.

-- One row for an application that somebody controls.
CREATE TABLE control (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  -- running: nothing special; pause: answer what is there; freezeDown: take nothing away.
  mode TEXT NOT NULL DEFAULT 'running' CHECK (mode IN ('running', 'pause', 'freezeDown')),
  modeReason TEXT NOT NULL DEFAULT '',
  -- The last allocation that somebody approved (actuation: approve), NULL when there is none.
  approvedReplicas INTEGER,
  approvedCpu INTEGER,
  approvedMemory INTEGER,
  -- Episodes up to this number end at the next decision.
  episodeEnded INTEGER NOT NULL DEFAULT 0,
  CHECK ((approvedReplicas IS NULL) = (approvedCpu IS NULL) AND (approvedCpu IS NULL) = (approvedMemory IS NULL))
) STRICT;

-- Answers that people fixed: replicas, millicores, bytes.
CREATE TABLE pin (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  replicas INTEGER NOT NULL CHECK (replicas > 0),
  cpu INTEGER NOT NULL CHECK (cpu > 0),
  memory INTEGER NOT NULL CHECK (memory > 0),
  -- Seconds since 1970; NULL is for good.
  until REAL,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  created REAL NOT NULL
) STRICT;

-- At most one row: the kill switch is on while it is there.
CREATE TABLE killSwitch (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  created REAL NOT NULL
) STRICT;

-- Who did what and why. The application is named, not referenced: the log outlives it.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  application TEXT,
  reason TEXT NOT NULL,
  -- What was asked for, as JSON.
  detail TEXT NOT NULL
) STRICT;

CREATE INDEX auditByApplication ON audit (application, id) WHERE application IS NOT NULL;

-- What became of a decision, told apart from the observation that follows it.
CREATE TABLE outcome (
  seq INTEGER PRIMARY KEY,
  application INTEGER NOT NULL REFERENCES application (id) ON DELETE CASCADE,
  applied INTEGER NOT NULL CHECK (applied IN (0, 1)),
  reward REAL,
  created REAL NOT NULL
) STRICT;

CREATE INDEX outcomeByApplication ON outcome (application, seq);
