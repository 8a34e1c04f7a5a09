-- What an episode's allocations cost on average, in money an hour at the profile's prices; what the rules wanted at the
-- same observations would have cost; and containers killed for memory. NULL in episodes of before. For people: nothing is
-- learned from them, so the checksum leaves them out.
ALTER TABLE episode ADD COLUMN bill REAL;
ALTER TABLE episode ADD COLUMN rulesBill REAL;
ALTER TABLE episode ADD COLUMN oomKills INTEGER;
