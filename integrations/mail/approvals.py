"""The action ``mail.request_approval``: each of those whom a wait asks gets a mail with their own link, and no other's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from flows.errors import ActionError
from flows.ports import ActionCall, Asked, Json, PersonalLink
from integrations.mail.layout import Button, Content, letter
from integrations.mail.mailer import Mailer
from integrations.mail.messages import Mail, message_id
from integrations.recipients import Recipients, as_json, links_of, wanted

_YOURS = "This link was made for you. Please do not forward this mail: whoever has the link can answer in your name."
_NOTHING = "Opening it decides nothing yet"
_SENT, _BEGUN, _UNSURE = "sent", "begun", "unsure"


class MailRequestApprovalParams(BaseModel):
    """``with`` of ``mail.request_approval``, all of it optional. ``to``: without it everybody whom the wait asks.

    ``text`` stands above the link; without it, what the wait asks. ``subject`` likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    to: Recipients | None = None
    subject: str | None = Field(default=None, min_length=1, max_length=998)
    text: str | None = Field(default=None, min_length=1, repr=False)


class MailRequestApproval:
    """Performs ``mail.request_approval``. The mailer stays its owner's to close."""

    name: ClassVar[str] = "mail.request_approval"
    params: ClassVar[type[BaseModel]] = MailRequestApprovalParams

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    async def perform(self, call: ActionCall, params: MailRequestApprovalParams) -> Json:
        """``[{person, id, thread_id}]``, in the order in which they were asked; the ids as in ``mail.send``.

        Nobody gets anything unless all have a mail address. A repeat goes on where the delivery before it stopped:
        nobody gets a second mail, and who has answered meanwhile gets none. Where nobody knows whether one was sent, the
        others get theirs, and then it is said whose that is.
        """
        links = links_of(call, self.name)
        asked = await links.request()
        recipients = list(await wanted(links, params.to))
        _check_addresses(recipients)
        letters = _Letters(self._mailer, call)
        for link in recipients:
            name = message_id(f"{call.key} {link.person.id}", self._mailer.address)
            await letters.send(link, replace(_mail(params, asked, link), message_id=name))
        await letters.check()
        return letters.output


class _Letters:
    """The mails of one action: which were sent, how far others came, and of which nobody knows; all of it in the memo."""

    def __init__(self, mailer: Mailer, call: ActionCall) -> None:
        self._mailer = mailer
        self._call = call
        self._sent: dict[str, Json] = dict(call.memo.get(_SENT, {}))
        self._begun: dict[str, Any] = dict(call.memo.get(_BEGUN, {}))
        self._unsure: dict[str, list[str]] = dict(call.memo.get(_UNSURE, {}))

    @property
    def output(self) -> list[Json]:
        return list(self._sent.values())

    async def send(self, link: PersonalLink, mail: Mail) -> None:
        """Send one person theirs, unless they have it, or may have it. Raises ``ActionError`` where another try helps."""
        key = str(link.person.id)
        if key in self._sent or key in self._unsure:
            return

        async def remember(memo: Mapping[str, Json]) -> None:
            self._begun[key] = dict(memo)
            await self._keep()

        try:
            sent = await self._mailer.send(mail, memo=self._begun.get(key, {}), remember=remember)
        except ActionError as error:
            if error.retryable or not error.uncertain:
                raise
            self._unsure[key] = [link.person.name, str(error)]
        else:
            self._sent[key] = {"person": as_json(link.person), "id": sent.id, "thread_id": sent.thread_id}
        self._begun.pop(key, None)
        await self._keep()

    async def check(self) -> None:
        """Raise the ``ActionError`` that says whose mails may not have been sent. After it, they are sent again."""
        if not self._unsure:
            return
        names = ", ".join(name for name, _ in self._unsure.values())
        _, why = next(iter(self._unsure.values()))
        self._unsure.clear()
        await self._keep()
        raise ActionError(f"The mail to {names}: {why}", uncertain=True)

    async def _keep(self) -> None:
        await self._call.remember({_SENT: self._sent, _BEGUN: self._begun, _UNSURE: self._unsure})


def _check_addresses(links: Iterable[PersonalLink]) -> None:
    absent = [link.person.name for link in links if link.person.email is None]
    if absent:
        raise ActionError(
            f"Without a mail address: {', '.join(absent)}. Name in 'to' those who have one, or ask by"
            " slack.request_approval."
        )


def _mail(params: MailRequestApprovalParams, asked: Asked, link: PersonalLink) -> Mail:
    assert link.person.email is not None  # looked at before anything was sent
    verb = "resume" if asked.hold else "approve or reject"
    first = next((line for line in asked.ask.splitlines() if line.strip()), asked.title)
    made = letter(
        Content(
            subject=params.subject or f"{'Waiting for you' if asked.hold else 'Please decide'}: {first}",
            preview=params.text or f"{asked.requester} asks",
            name=link.person.name,
            place="" if params.text else asked.title,
            headline=asked.ask,
            lead=f"{asked.requester} asks:",
            by="" if params.text else f"Asked by {asked.requester}",
            body=params.text or "",
            code=link.code,
            button=Button(f"Open to {verb}", link.url, f"Open this page to {verb}. {_NOTHING}:", f"{_NOTHING}."),
            notes=(_YOURS,),
        )
    )
    return Mail(to=(link.person.email,), subject=made.subject, text=made.text, html=made.html)
