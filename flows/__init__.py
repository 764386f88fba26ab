"""The engine. Knows no Slack, no HTTP, no Gmail; see docs/architecture.md for its rooms."""
