"""Mails that Signoff writes itself: what waits for somebody, what has become of it, and how a request ended."""
