"""The action ``mail.send``: a mail from a flow, by whichever way mail is sent."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from flows.ports import ActionCall, Json
from integrations.mail.mailer import Mailer
from integrations.mail.messages import Mail, mailbox, mailboxes, message_id


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(address.addr_spec for text in texts for address in mailboxes(text))


def _address(text: str) -> str:
    return mailbox(text).addr_spec


Addresses = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_addresses)]


class MailSendParams(BaseModel):
    """``with`` of ``mail.send``: ``to`` and ``cc`` are an address, several separated by commas, or a list."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    to: Addresses = Field(min_length=1)
    cc: Addresses = ()
    subject: str = Field(max_length=998)
    text: str = Field(repr=False)
    html: str | None = Field(default=None, repr=False)
    reply_to: Annotated[str, AfterValidator(_address)] | None = None


class MailSend:
    """Performs ``mail.send``. The mailer stays its owner's to close."""

    name: ClassVar[str] = "mail.send"
    params: ClassVar[type[BaseModel]] = MailSendParams

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    async def perform(self, call: ActionCall, params: MailSendParams) -> Json:
        """``{id, thread_id}`` as Gmail calls them; null by SMTP, and where the mail is known to be sent and Gmail's
        answer was lost."""
        mail = Mail(
            to=params.to,
            cc=params.cc,
            subject=params.subject,
            text=params.text,
            html=params.html,
            reply_to=params.reply_to,
            message_id=message_id(call.key, self._mailer.address),
        )
        sent = await self._mailer.send(mail, memo=call.memo, remember=call.remember)
        return {"id": sent.id, "thread_id": sent.thread_id}
