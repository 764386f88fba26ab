"""Slack workspaces that the app was installed in by OAuth: kept encrypted, renewed before they expire, cleaned up after."""
