-- A fourth mode of an application: freezeUp, give nothing more. SQLite changes a CHECK by making the table anew.
CREATE TABLE controlNew (
  application INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
  -- running: nothing special; pause: answer what is there; freezeDown: take nothing away; freezeUp: give nothing more.
  mode TEXT NOT NULL DEFAULT 'running' CHECK (mode IN ('running', 'pause', 'freezeDown', 'freezeUp')),
  modeReason TEXT NOT NULL DEFAULT '',
  approvedReplicas INTEGER,
  approvedCpu INTEGER,
  approvedMemory INTEGER,
  episodeEnded INTEGER NOT NULL DEFAULT 0,
  CHECK ((approvedReplicas IS NULL) = (approvedCpu IS NULL) AND (approvedCpu IS NULL) = (approvedMemory IS NULL))
) STRICT;
INSERT INTO controlNew (application, mode, modeReason, approvedReplicas, approvedCpu, approvedMemory, episodeEnded)
  SELECT application, mode, modeReason, approvedReplicas, approvedCpu, approvedMemory, episodeEnded FROM control;
DROP TABLE control;
ALTER TABLE controlNew RENAME TO control;
