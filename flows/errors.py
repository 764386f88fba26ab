"""Every error that Signoff raises on purpose.

::

    FlowError
    ├─ DefinitionError         a flow file is wrong: on load, with file, line, hint
    ├─ UnknownFlow · UnknownRun · UnknownSuspension · UnknownEffect · UnknownAction
    └─ Refused                 understood, not allowed; str() is safe to show
       ├─ NotAnApprover · SelfApproval · DecidedByYou · Closed
       ├─ ChangedSinceShown · InvalidForm (all bad fields at once)
       └─ NotWaiting · RunFinished · LinkExpired · LinkInvalid
          QuorumUnreachable · TryAgain · NotAllowed · NotVerified · TooSoon
    ActionError(retryable, retry_after, uncertain)   an adapter failed
    ├─ NotYet                  the other side takes no more for now: no attempt was made
    └─ NotConnected            the account is not connected (any more): an operator
    ConfigError                at start; lists every problem at once

Who must act says which one it is. ``Refused``: the person, and its text is written for them, so a door
may show ``str(error)`` as it stands. ``ActionError``: time, where ``retryable``; else an operator. The
adapter that talks to the remote system decides that, by code and never by text. ``ConfigError``: the
operator, before the bot serves anything. Anything else that is raised is a fault of ours.

Nothing here knows HTTP or Slack: each door translates once, at its border.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta


class FlowError(Exception):
    """The engine's own errors. Never raised itself."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a flow file, precise enough to fix without searching."""

    file: str
    line: int | None
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class DefinitionError(FlowError):
    """A flow is wrong. Carries every problem that was found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnknownFlow(FlowError):
    """No flow has that name."""


class UnknownRun(FlowError):
    """No run has that id, or its reader may not know that it exists."""


class UnknownSuspension(FlowError):
    """No suspension has that id, or its reader may not know that it exists."""


class UnknownEffect(FlowError):
    """No effect has that id: it was performed, skipped, or never existed."""


class UnknownAction(FlowError):
    """A step's action is not there (a function that was renamed, an integration that is not set up); says what to do.

    Nothing has failed for good: its effect is parked, and goes on once the action is back.
    """


class Refused(FlowError):
    """Understood, and not allowed; nothing changed. ``str()`` is safe to show to the person."""


class NotAnApprover(Refused):
    """The person is none of those who may decide this."""


class SelfApproval(Refused):
    """The requester may not decide their own request."""


class DecidedByYou(Refused):
    """The person has said so already; the same answer again changes nothing."""


class Closed(Refused):
    """The suspension was decided, has expired, or was cancelled; the text says which, by whom and when."""


class ChangedSinceShown(Refused):
    """The digest that the decision carries is not the digest of what is asked now."""


class InvalidForm(Refused):
    """Values that are not acceptable: every bad field at once.

    ``fields`` maps the field's name to one sentence that says what is wrong with its value.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        super().__init__(" ".join(f"{name}: {problem}" for name, problem in self.fields.items()))


class NotWaiting(Refused):
    """The run waits for nothing that this could answer."""


class RunFinished(Refused):
    """The run has ended; nothing about it can change any more."""


class LinkExpired(Refused):
    """The link was genuine once. Doors show it exactly like ``LinkInvalid``."""


class LinkInvalid(Refused):
    """The link is not one of ours, or not for this. Says nothing about what exists."""


class QuorumUnreachable(Refused):
    """The rule cannot be met by the people who may decide; names them and the fix."""


class TryAgain(Refused):
    """Somebody whom we have to ask (Slack, the directory) did not answer; nothing was recorded."""


class NotAllowed(Refused):
    """The person may see this and may not do that to it."""


class ActionError(Exception):
    """An adapter could not do what it was asked to.

    ``retryable``: the same call may succeed later. ``retry_after``: not before that much time.
    ``uncertain``: the remote side may have done it, though no answer arrived; whoever repeats the call
    must be able to bear that it happens twice.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after: timedelta | None = None,
        uncertain: bool = False,
    ) -> None:
        self.retryable = retryable
        self.retry_after = retry_after
        self.uncertain = uncertain
        super().__init__(message)


class NotYet(ActionError):
    """The other side takes no more of this before ``retry_after``, and has done nothing. No attempt has failed by it:
    whoever has an outbox waits there."""


class NotConnected(ActionError):
    """The account that this goes through is not connected, or not any more; nothing was done. No fault of a flow: it
    waits until an operator has connected it.

    ``account`` names what has to be connected, as whoever connects it does.
    """

    account: str = ""


class ConfigError(Exception):
    """The settings are wrong. Carries every problem, one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class NotVerified(Refused):
    """Whoever holds a personal link has not shown yet that they are who it was made for, as its flow asks."""


class TooSoon(Refused):
    """The same was done a short while ago; says when it can be done again."""
