"""Every error that the client raises.

::

    SignoffError
    ├─ NoId              what was given as an id cannot be one; nothing was sent
    ├─ Unreachable       no answer came; ``sent``: it may have been done all the same
    ├─ NotUnderstood     an answer came that is not the API's
    ├─ StillGoing        ``wait`` was given a timeout, and the run goes on; ``run`` is how it stood
    └─ Refused           the server says that it will not; ``problem`` says why
       ├─ Unauthorized   the token is not good
       ├─ NotAllowed     the token's person, or the token, may not do this
       ├─ NotFound       there is no such thing, or none that the token's person may read
       ├─ InvalidForm    values cannot be taken; ``fields`` says which and why
       └─ Unavailable    the server cannot do it now

``str()`` is a sentence for people.
"""

from __future__ import annotations

from collections.abc import Mapping

from signoff.client.answers import Problem, Run


class SignoffError(Exception):
    """What was asked for did not come about. Never raised itself."""


class NoId(SignoffError, ValueError):
    """What was given as an id cannot be one. Nothing was sent."""


class Unreachable(SignoffError):
    """No answer came. ``sent``: the request may have arrived, so what it asks for may have been done."""

    def __init__(self, message: str, *, sent: bool) -> None:
        self.sent = sent
        super().__init__(message)


class NotUnderstood(SignoffError):
    """Something answered, and it was not Signoff's API, or not of a version that this client knows."""


class StillGoing(SignoffError):
    """The time to wait was over before the run was where it was waited for. ``run`` is how it was last seen."""

    def __init__(self, message: str, run: Run | None) -> None:
        self.run = run
        super().__init__(message)


class Refused(SignoffError):
    """The server answered that it will not. ``problem`` is its answer."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail or problem.title or f"The server answered {problem.status}.")

    @property
    def fields(self) -> Mapping[str, str]:
        """What is wrong with which value; nothing where no value is to blame."""
        return self.problem.fields


class Unauthorized(Refused):
    """The token is not good: mistyped, expired or revoked."""


class NotAllowed(Refused):
    """The token's person may not do this, or the token is not for this."""


class NotFound(Refused):
    """There is no such thing, or none that the token's person may read."""


class InvalidForm(Refused):
    """Values that cannot be taken: ``fields`` has every bad one, each with a sentence."""


class Unavailable(Refused):
    """The server cannot do it at the moment, and has done nothing. Later it may."""


def refused(problem: Problem) -> Refused:
    """The exception that stands for a problem."""
    if problem.kind == "invalid-form":
        return InvalidForm(problem)
    return _BY_STATUS.get(problem.status, Refused)(problem)


_BY_STATUS: Mapping[int, type[Refused]] = {
    401: Unauthorized,
    403: NotAllowed,
    404: NotFound,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
"""502 to 504 are also what a proxy says of a server that is starting or stopping."""
