"""The ready-made flows, and the Python functions that they call: what ``signoff demo`` plays and the migration guide shows."""

from __future__ import annotations

FLOWS = (
    "vacation",
    "release",
    "gmail_approval",
    "notify_approvers",
    "refund",
    "vacation_one_form",
    "pre_approval",
    "pause",
    "output_validation",
    "mail_a_link",
    "text_a_link",
    "callback",
    "callback_in_code",
    "poll_job",
    "poll_in_code",
    "context_between_rounds",
    "retries_exhausted",
)
"""Their names, in the order in which a stranger meets them."""
