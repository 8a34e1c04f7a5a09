-- Answers to requests that carried an Idempotency-Key: a request that is sent again gets the answer it got first.
CREATE TABLE keptAnswer (
  -- In the order of their making, which is the order in which they are forgotten.
  id INTEGER PRIMARY KEY,
  -- Who asked, a line break, and the key.
  key TEXT NOT NULL UNIQUE,
  -- Length and hash of the request: the same key with another request is a mistake.
  request TEXT NOT NULL,
  created REAL NOT NULL,
  status INTEGER NOT NULL,
  -- The answer's JSON.
  body BLOB NOT NULL
) STRICT;
