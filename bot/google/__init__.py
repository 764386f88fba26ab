"""Gmail accounts that admins have connected: their consents, their tokens, and who sends by them."""
