"""``links`` in the expressions of a step that sends the links of its own wait: ``links.resume``, ``links.for(person)``.

Rendering waits for nobody, and who stands behind a handle takes asking. So a ``with`` that names ``links.for`` is
rendered twice: first to learn for whom links are wanted, then, once the directory has answered, with the links. What
filters do to a link (``urlencode``, say) they do to the real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from flows.context import Approver, Context, Someone
from flows.errors import ActionError
from flows.expressions import CompiledValue, Escape
from flows.ports import Json, WaitLinks
from flows.values import ExpressionError, is_mapping, kind

ROOT = "links"

_ROUNDS = 8
"""Renderings until nobody new is named: two, unless who is named hangs on somebody else's link."""

_UNKNOWN = "https://links.invalid/"
"""What stands for a link that has not been made yet, in a rendering that nobody is shown."""


class StepLinks:
    """The value that ``links`` stands for. ``wanted`` are the handles whose links it could not give."""

    expression_fields: ClassVar[frozenset[str]] = frozenset({"resume", "cancel"})
    expression_calls: ClassVar[frozenset[str]] = frozenset({"for"})

    def __init__(self, links: WaitLinks, found: Mapping[str, str]) -> None:
        self.wanted: dict[str, None] = {}
        self._links = links
        self._found = found

    @property
    def resume(self) -> str:
        return self._links.resume

    @property
    def cancel(self) -> str:
        return self._links.cancel

    def expression_call(self, name: str, value: object) -> str:  # noqa: ARG002 - there is only one name
        """The link of a person, who is a handle or a person's value."""
        handle = handle_of(value)
        if handle not in self._found:
            self.wanted[handle] = None
        return self._found.get(handle, _UNKNOWN)

    def __str__(self) -> str:
        raise ExpressionError("'links' alone is no address", "Write `links.for(person)`, or `links.resume`.")


def handle_of(value: object) -> str:
    """How to find the person that an expression names: a handle, an approver, the requester, or one of these as JSON."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    found: object = None
    if isinstance(value, Approver | Someone):
        found = value.slack_id or value.email
    elif is_mapping(value):
        # What a loop over `approvers` hands on, or an earlier output.
        found = value.get("slack_id") or value.get("email")
    else:
        raise ExpressionError(
            f"'links.for' takes a person, a mail address or a Slack user id, not {kind(value)}",
            "Write `links.for(approvers[0])`, or `links.for(inputs.manager)`.",
        )
    if not isinstance(found, str) or not found:
        raise ExpressionError("'links.for' was given somebody without a mail address and a Slack user id")
    return found


async def render(
    params: CompiledValue, values: Context, links: WaitLinks | None, *, escape: Escape | None = None
) -> Json:
    """``params.render`` with ``links`` beside the other values. Raises ``ExpressionError``, and what ``WaitLinks`` does."""
    if links is None or all(name[0] != ROOT for name in params.names):
        return params.render(values, escape=escape)
    found: dict[str, str] = {}
    for _ in range(_ROUNDS):
        said = StepLinks(links, found)
        rendered = params.render({**values, ROOT: said}, escape=escape)
        if not said.wanted:
            return rendered
        for handle in said.wanted:
            found[handle] = (await links.for_person(handle)).url
    raise ActionError("with: whom 'links.for' names changes with each link that it gives")
