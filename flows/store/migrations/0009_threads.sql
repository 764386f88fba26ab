-- A reply in a thread names the message above it by its channel and ts: which card that is has to be found for each one
-- that is written in a channel.
CREATE INDEX cards_by_place ON cards (ts, posted) WHERE ts IS NOT NULL;
