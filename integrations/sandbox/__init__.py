"""Local stand-ins for Slack and Gmail that tests and the demo run on: they refuse what the real ones refuse."""

from integrations.sandbox.bot_line import Answer
from integrations.sandbox.changes import NeverHappened
from integrations.sandbox.inputs import NotPossible
from integrations.sandbox.page import Guide, SandboxPage, Step
from integrations.sandbox.people import Human
from integrations.sandbox.server import SENDER, Sandbox
from integrations.sandbox.visitor import Page, Visitor

__all__ = [
    "SENDER",
    "Answer",
    "Guide",
    "Human",
    "NeverHappened",
    "NotPossible",
    "Page",
    "Sandbox",
    "SandboxPage",
    "Step",
    "Visitor",
]
