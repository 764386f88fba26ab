"""Keeping what Slack shows true, also where Slack, its people or its administrators have it otherwise.

``bad_days`` stands around the messages: what cannot be shown as planned is shown in another way. ``passes`` compares the
cards with Slack now and then, ``strays`` deals with copies that nobody knows of, ``channel_events`` hears of what has
changed. The page docs/bad-days.md says what happens when.
"""
