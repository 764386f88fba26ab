"""Mails that Signoff writes itself: what waits for somebody, and how a request ended."""
