"""The action ``gmail.request_approval``: each of those whom a wait asks gets a mail with their own link, and no other's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from flows.errors import ActionError
from flows.ports import ActionCall, Asked, Json, PersonalLink
from integrations.gmail.messages import Mail
from integrations.gmail.send import Mailer
from integrations.recipients import Recipients, as_json, links_of, wanted

_SUBJECT = 150  # longer ones are cut; mail clients show some 70 characters
_YOURS = "This link was made for you. Please do not forward this mail: whoever has the link can answer in your name."
_SENT, _BEGUN, _UNSURE = "sent", "begun", "unsure"


class GmailRequestApprovalParams(BaseModel):
    """``with`` of ``gmail.request_approval``, all of it optional. ``to``: without it everybody whom the wait asks.

    ``text`` stands above the link; without it, what the wait asks. ``subject`` likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    to: Recipients | None = None
    subject: str | None = Field(default=None, min_length=1, max_length=998)
    text: str | None = Field(default=None, min_length=1, repr=False)


class GmailRequestApproval:
    """Performs ``gmail.request_approval``. The mailer stays its owner's to close."""

    name: ClassVar[str] = "gmail.request_approval"
    params: ClassVar[type[BaseModel]] = GmailRequestApprovalParams

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    async def perform(self, call: ActionCall, params: GmailRequestApprovalParams) -> Json:
        """``[{person, id, thread_id}]``, in the order in which they were asked; the ids as in ``gmail.send``.

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
            await letters.send(link, _mail(params, asked, link))
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


def _mail(params: GmailRequestApprovalParams, asked: Asked, link: PersonalLink) -> Mail:
    assert link.person.email is not None  # looked at before anything was sent
    text = params.text or f"Hello {link.person.name},\n\n{asked.requester} asks:\n\n{asked.ask}\n\n{asked.title}"
    verb = "resume" if asked.hold else "approve or reject"
    opens = f"Open this page to {verb}. Opening it decides nothing yet:"
    first = next((line for line in asked.ask.splitlines() if line.strip()), asked.title)
    subject = params.subject or f"{'Waiting for you' if asked.hold else 'Please decide'}: {first}"
    return Mail(
        to=(link.person.email,),
        subject=subject[:_SUBJECT],
        text=f"{text}\n\n{opens}\n\n{link.url}\n\n{_YOURS}\n",
        html=_html(text, f"Open to {verb}", link.url),
    )


def _html(text: str, label: str, url: str) -> str:
    button = (
        "display:inline-block;padding:12px 22px;border-radius:8px;background:#1f7a5c;color:#ffffff;"
        "text-decoration:none;font-weight:600"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"></head>\n'
        '<body style="margin:0;padding:24px;font-family:sans-serif;font-size:16px;line-height:1.5">\n'
        f'<p style="white-space:pre-line;word-break:break-word">{escape(text)}</p>\n'
        f'<p><a href="{escape(url)}" style="{button}">{label}</a></p>\n'
        f'<p style="font-size:13px;opacity:.75">Opening the page decides nothing yet. {_YOURS}</p>\n</body></html>\n'
    )
