-- The same weights once: nearly every application has the base policy among its versions.

CREATE TABLE weights (
  id INTEGER PRIMARY KEY,
  -- Policy's byte form: shape, weights and a checksum.
  bytes BLOB NOT NULL
) STRICT;

-- The byte form ends in a checksum of 8 bytes: by it equal weights are found, then compared as a whole.
CREATE INDEX weightsByChecksum ON weights (substr(bytes, -8));

INSERT INTO weights (bytes) SELECT DISTINCT weights FROM model;

CREATE TABLE modelVersion (
  application INTEGER NOT NULL REFERENCES application (id) ON DELETE CASCADE,
  version INTEGER NOT NULL CHECK (version > 0),
  parent INTEGER NOT NULL CHECK (parent < version),
  created REAL NOT NULL,
  algorithm TEXT NOT NULL,
  -- Last episode that it was trained on.
  episode INTEGER NOT NULL,
  -- Update diagnostics and scores as JSON.
  diagnostics TEXT NOT NULL,
  weights INTEGER NOT NULL REFERENCES weights (id),
  PRIMARY KEY (application, version)
) STRICT;

INSERT INTO modelVersion (application, version, parent, created, algorithm, episode, diagnostics, weights)
SELECT application, version, parent, created, algorithm, episode, diagnostics, weights.id
FROM model JOIN weights ON substr(weights.bytes, -8) = substr(model.weights, -8) AND weights.bytes = model.weights;

DROP TABLE model;

ALTER TABLE modelVersion RENAME TO model;

CREATE INDEX modelByWeights ON model (weights);

-- Weights go with the last version that has them.
CREATE TRIGGER weightsUnused AFTER DELETE ON model
WHEN NOT EXISTS (SELECT 1 FROM model WHERE weights = OLD.weights)
BEGIN
  DELETE FROM weights WHERE id = OLD.weights;
END;
