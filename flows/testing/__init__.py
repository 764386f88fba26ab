"""Tests for a team's own flows, in a few lines of pytest: a fake clock, scripted people, scripted actions.

``FlowTest`` is what a test uses; the rest are its parts, for tests that put an engine together themselves.
It needs nothing but pytest and pytest-asyncio: no network, no Slack, no sleep.
"""

from flows.testing.clock import MONDAY, FakeClock
from flows.testing.crowd import Crowd
from flows.testing.flow_test import FlowTest
from flows.testing.recording import Call, Mailed, Noted, RecordingMessenger, RecordingPerformer, Told, Turns
from flows.testing.run import FlowRun, StepResult

__all__ = [
    "MONDAY",
    "Call",
    "Crowd",
    "FakeClock",
    "FlowRun",
    "FlowTest",
    "Mailed",
    "Noted",
    "RecordingMessenger",
    "RecordingPerformer",
    "StepResult",
    "Told",
    "Turns",
]
