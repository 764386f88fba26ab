"""The ready-made flows, and the Python functions that they call: what ``signoff demo`` plays and the migration guide shows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from flows.definition import Flow
from flows.loader import load_file

FOLDER = Path(__file__).parent

BUILT_IN = ("ask",)
"""The ready-made flows that are there without being copied: what Signoff's own shortcuts start."""

FLOWS = (
    "vacation",
    "release",
    "hotfix",
    "ask",
    "contract",
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


OWN = ("release", "hotfix", "ask", "contract")
"""Those that show what Signoff does; the others are shown in the migration guide too."""


@cache
def built_in() -> Mapping[str, Flow]:
    """The flows of ``BUILT_IN``, by name. They are read once: they change with the version only."""
    found = [flow for name in BUILT_IN for flow in load_file(FOLDER / f"{name}.yml").flows]
    return {flow.flow: flow for flow in found}
