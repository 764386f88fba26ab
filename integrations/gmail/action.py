"""The action ``gmail.send``: a mail from a flow."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from flows.ports import ActionCall, Json
from integrations.gmail.messages import Mail, mailbox, mailboxes
from integrations.gmail.send import Mailer


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(address.addr_spec for text in texts for address in mailboxes(text))


def _address(text: str) -> str:
    return mailbox(text).addr_spec


Addresses = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_addresses)]


class GmailSendParams(BaseModel):
    """``with`` of ``gmail.send``: ``to`` and ``cc`` are an address, several separated by commas, or a list."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    to: Addresses = Field(min_length=1)
    cc: Addresses = ()
    subject: str = Field(max_length=998)
    text: str = Field(repr=False)
    html: str | None = Field(default=None, repr=False)
    reply_to: Annotated[str, AfterValidator(_address)] | None = None


class GmailSend:
    """Performs ``gmail.send``. The mailer stays its owner's to close."""

    name: ClassVar[str] = "gmail.send"
    params: ClassVar[type[BaseModel]] = GmailSendParams

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    async def perform(self, call: ActionCall, params: GmailSendParams) -> Json:
        """``{id, thread_id}``; null where the mail is known to be sent and Gmail's answer was lost."""
        mail = Mail(
            to=params.to,
            cc=params.cc,
            subject=params.subject,
            text=params.text,
            html=params.html,
            reply_to=params.reply_to,
        )
        sent = await self._mailer.send(mail, memo=call.memo, remember=call.remember)
        return {"id": sent.id, "thread_id": sent.thread_id}
