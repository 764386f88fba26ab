"""Slack as a way in, and the cards that it shows. No rule of its own: every decision ends in ``Engine.decide``."""
