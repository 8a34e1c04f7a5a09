-- The tables of aware. Times are seconds since 1970 (UTC). Decisions are append-only: a step's reward stands in the row
-- of the decision that follows it, because only then is it known.

CREATE TABLE application (
  -- Never used again after a deletion: whatever still knows the number must not meet a stranger.
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 253),
  -- The profile as JSON, in the form of the API.
  profile TEXT NOT NULL,
  -- Counts changes of the profile; it is the ETag.
  revision INTEGER NOT NULL CHECK (revision > 0),
  created REAL NOT NULL
) STRICT;

-- One row a decision. The rows of one application are a chain: `previous` names the one before, so no index by
-- application is needed and a commit touches only the end of this table.
CREATE TABLE decision (
  seq INTEGER PRIMARY KEY,
  application INTEGER NOT NULL,
  previous INTEGER NOT NULL CHECK (previous < seq),
  time REAL NOT NULL,
  -- Number of the episode within the application, and of the step within the episode.
  episode INTEGER NOT NULL,
  step INTEGER NOT NULL CHECK (step >= 0),
  -- Reward of the decision before this one (mean step reward form, without penalties); NULL when unknown.
  reward REAL,
  -- Observation, state vector, choice and explanation: DecisionRecord's byte form, with a checksum at its end.
  record BLOB NOT NULL
) STRICT;

-- Finished episodes.
CREATE TABLE episode (
  application INTEGER NOT NULL REFERENCES application (id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number > 0),
  started REAL NOT NULL,
  ended REAL NOT NULL,
  steps INTEGER NOT NULL CHECK (steps > 0),
  -- seq of the decision that closed it: the first one of the next episode. Its chain leads through the steps.
  closing INTEGER NOT NULL,
  stage TEXT NOT NULL,
  -- Who acted: policy, rules, or control (rules for comparison while a policy serves).
  actor TEXT NOT NULL,
  modelVersion INTEGER NOT NULL,
  -- Mean step reward, NULL when no step could be measured; and the rules' estimated reward at that time.
  reward REAL,
  rulesReward REAL,
  -- Share of steps that violated the objective.
  violations REAL NOT NULL,
  PRIMARY KEY (application, number)
) STRICT, WITHOUT ROWID;

-- What an application remembers between decisions, as of the decision `seq`; later decisions are replayed on top.
CREATE TABLE agentState (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  state BLOB NOT NULL
) STRICT;

-- The end of every application's chain, brought up to date at each start.
CREATE TABLE lastDecision (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL
) STRICT;

-- Immutable versions of a policy.
CREATE TABLE model (
  application INTEGER NOT NULL REFERENCES application (id) ON DELETE CASCADE,
  version INTEGER NOT NULL CHECK (version > 0),
  parent INTEGER NOT NULL CHECK (parent < version),
  created REAL NOT NULL,
  algorithm TEXT NOT NULL,
  -- Last episode that it was trained on.
  episode INTEGER NOT NULL,
  -- Update diagnostics and scores as JSON.
  diagnostics TEXT NOT NULL,
  -- Policy's byte form: shape, weights and a checksum.
  weights BLOB NOT NULL,
  PRIMARY KEY (application, version)
) STRICT;

-- Everything that training needs to go on exactly: optimiser, buffers, window, stage, random state.
CREATE TABLE trainerState (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  -- Last episode that was taken into account.
  episode INTEGER NOT NULL,
  -- Window, stage, pending episodes: small, written for every episode.
  state BLOB NOT NULL,
  -- Weights, optimiser, random state: written when an update changed them, NULL before the first one.
  optimizer BLOB
) STRICT;

-- Stage changes, promotions and whatever else an operator wants to be told.
CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  application INTEGER REFERENCES application (id) ON DELETE CASCADE,
  episode INTEGER,
  kind TEXT NOT NULL,
  origin TEXT NOT NULL,
  target TEXT NOT NULL,
  reason TEXT NOT NULL,
  -- A JSON object of numbers.
  figures TEXT NOT NULL
) STRICT;

CREATE INDEX eventByApplication ON event (application, id);
