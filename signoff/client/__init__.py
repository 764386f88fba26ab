"""A client of Signoff's API, for programs: ``Client`` waits for each answer, ``AsyncClient`` is for asyncio.

::

    with Client("https://signoff.example.com", token) as signoff:
        run = signoff.start("release", {"version": "1.4.0"})
        if signoff.wait(run.id).status != "succeeded":
            ...

Both have the same calls, made of one core that knows no socket. What the server says comes as values
(``signoff.client.answers``), what it refuses as exceptions that carry the problem (``signoff.client.errors``).
"""

from signoff.client.answers import (
    Answer,
    Approval,
    Asked,
    Decided,
    Decision,
    Delegation,
    Effect,
    Ended,
    Field,
    Item,
    KnownPerson,
    Links,
    Option,
    Paused,
    Person,
    Problem,
    Question,
    Run,
    RunStatus,
    Step,
    Suspension,
)
from signoff.client.asynchronous import AsyncClient
from signoff.client.blocking import Client
from signoff.client.calls import Until, Verdict
from signoff.client.errors import (
    InvalidForm,
    NoId,
    NotAllowed,
    NotFound,
    NotUnderstood,
    Refused,
    SignoffError,
    StillGoing,
    Unauthorized,
    Unavailable,
    Unreachable,
)

__all__ = [
    "Answer",
    "Approval",
    "Asked",
    "AsyncClient",
    "Client",
    "Decided",
    "Decision",
    "Delegation",
    "Effect",
    "Ended",
    "Field",
    "InvalidForm",
    "Item",
    "KnownPerson",
    "Links",
    "NoId",
    "NotAllowed",
    "NotFound",
    "NotUnderstood",
    "Option",
    "Paused",
    "Person",
    "Problem",
    "Question",
    "Refused",
    "Run",
    "RunStatus",
    "SignoffError",
    "Step",
    "StillGoing",
    "Suspension",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Until",
    "Verdict",
]
