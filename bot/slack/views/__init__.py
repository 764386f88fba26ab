"""State -> Block Kit. Pure functions, one file per surface; whatever people wrote is made inert here."""
