"""Mail over SMTP, where it is not Gmail's API."""
