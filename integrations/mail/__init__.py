"""What all ways of sending mail have in common: a mail as a value, its bytes, who sends it, and the actions of flows."""
