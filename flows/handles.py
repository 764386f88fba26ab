"""How people are written in flows: mail addresses, Slack user ids, ``@groups``. One spelling of each.

``T0123ABC/`` before a user id or a group names the Slack workspace, where there are several.
"""

from __future__ import annotations

import re

_EMAIL = re.compile(r"[^\s@<>\"(),:;\[\]\\]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_GROUP = re.compile(r"(?:([TE][A-Z0-9]{2,20})/)?(@[A-Za-z0-9][A-Za-z0-9._-]{0,79})")
_SLACK = re.compile(r"([TE][A-Z0-9]{2,20}/)?[UW][A-Z0-9]{2,20}")


class InvalidHandle(ValueError):
    """Not a way to name somebody; the text says what is."""


def normalise(handle: object) -> str:
    """The one spelling of a handle. Raises ``InvalidHandle`` for what names nobody.

    Mail addresses are compared without case: no mail system in use tells ``Ann@`` from ``ann@``.
    """
    text = handle.strip() if isinstance(handle, str) else ""
    if group := _GROUP.fullmatch(text):
        team, name = group.groups()
        return f"{team}/{name.lower()}" if team else name.lower()
    if _EMAIL.fullmatch(text):
        return text.lower()
    if _SLACK.fullmatch(text):
        return text
    shown = repr(handle)[:60]
    raise InvalidHandle(f"{shown} names nobody; write a mail address, an @group or a Slack user id like U024BE7LH")


def identity(handle: str) -> str:
    """What a handle, as ``normalise`` gives it, has in common with every other that reaches the same human.

    ``ann+boss@`` ends in the mailbox of ``ann@``: a tag is the writer's, and makes nobody a second person. For telling
    people apart only; mail goes to the address as it was given.
    """
    local, at, domain = handle.partition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def is_group(handle: str) -> bool:
    # Addresses are in lower case, so none of them begins like a workspace.
    return handle.startswith("@") or _GROUP.fullmatch(handle) is not None


def group_of(handle: str) -> tuple[str | None, str]:
    """The workspace that a group's handle names, None where it names none, and the group as ``@name``."""
    team, _, name = handle.rpartition("/")
    return team or None, name


def is_email(handle: str) -> bool:
    return "@" in handle[1:] and not is_group(handle)


def is_slack(handle: str) -> bool:
    return _SLACK.fullmatch(handle) is not None
