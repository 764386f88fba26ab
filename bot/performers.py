"""Performs the actions of steps: renders ``with``, opens the secrets, picks the account, calls the action, masks what
comes back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from bot.accounts import Account
from bot.actions.resume import ResumeParams
from bot.actions.start import StartParams
from bot.wait_links import SentLinks, WaitLinksOf
from flows.context import Brief, context
from flows.definition import Step
from flows.errors import ActionError, UnknownAction
from flows.expressions import Escape, ExpressionError
from flows.findings import did_you_mean
from flows.functions import Functions
from flows.ids import Ids
from flows.people import Person
from flows.ports import Action, ActionCall
from flows.secrets import in_clear, masked, masked_error, unseal
from flows.step_context import Performed
from flows.strict_json import not_json
from flows.vault import Vault
from flows.wait_links import render
from integrations.gmail.action import GmailSendParams
from integrations.gmail.approvals import GmailRequestApprovalParams
from integrations.http.log import LogParams
from integrations.http.request import HttpRequestParams
from integrations.mail.action import MailSendParams
from integrations.mail.approvals import MailRequestApprovalParams
from integrations.slack.actions import PostMessageParams, SendDirectMessageParams, UpdateMessageParams
from integrations.slack.approvals import SlackRequestApprovalParams
from integrations.slack.text import escape as escape_slack

_TOLD = ("log", "slack.", "gmail.", "mail.")
"""Actions whose parameters somebody reads."""

MAX_OUTPUT = 1 << 20
"""Bytes of JSON that one step may hand on; it is read again by each step that names it."""


def builtin_actions() -> Mapping[str, type[BaseModel]]:
    """The actions that a flow may use, with the model of their ``with``: what ``signoff check`` knows."""
    return {
        "http.request": HttpRequestParams,
        "log": LogParams,
        "mail.send": MailSendParams,
        "mail.request_approval": MailRequestApprovalParams,
        "gmail.send": GmailSendParams,
        "gmail.request_approval": GmailRequestApprovalParams,
        "slack.post_message": PostMessageParams,
        "slack.send_direct_message": SendDirectMessageParams,
        "slack.update_message": UpdateMessageParams,
        "slack.request_approval": SlackRequestApprovalParams,
        "signoff.start": StartParams,
        "signoff.resume": ResumeParams,
    }


_NO_ACCOUNTS: Mapping[str, Account] = MappingProxyType({})


class Performers:
    """``flows.runner.Performer`` over the actions that this installation has set up.

    ``actions`` are those of the default accounts, ``accounts`` those that steps name with ``connection``.
    """

    def __init__(
        self,
        actions: Iterable[Action],
        functions: Functions,
        vault: Vault,
        ids: Ids,
        *,
        accounts: Mapping[str, Account] = _NO_ACCOUNTS,
        links: WaitLinksOf | None = None,
    ) -> None:
        self._actions = {action.name: action for action in actions}
        self._functions = functions
        self._vault = vault
        self._ids = ids
        self._accounts = accounts
        self._links = links
        self.folders: Mapping[str, Path] = {}
        """Where the flow file of each flow stands; set when flows are loaded."""

    async def perform(self, brief: Brief, call: ActionCall) -> Performed:
        step = brief.step.step
        links = self._links.step(brief) if self._links is not None else None
        call = replace(call, links=links, requester=brief.known.run.requester, run=brief.known.run.id)
        means = _Means(self._account(step), unseal(brief, self._vault), links)
        try:
            async with asyncio.timeout(step.timeout.total_seconds() if step.timeout and step.uses else None):
                performed = await self._perform(brief, step, means, call)
        except TimeoutError as error:
            raise ActionError(f"no answer within {step.timeout}", retryable=True, uncertain=True) from error
        except ActionError as error:
            raise masked_error(error, means.hidden) from None
        # Before anything walks through it, and before it is stored: what no parser takes could never be read again.
        if (problem := not_json(performed.output, "the output")) is not None:
            told = ActionError(f"{step.uses or step.run} gave what is not JSON: {problem}")
            raise masked_error(told, means.hidden)
        output = masked(performed.output, means.hidden)
        if len(to_json(output)) > MAX_OUTPUT:
            raise ActionError(f"the output is larger than {MAX_OUTPUT // 1024} KiB of JSON")
        rerun = performed.rerun
        if rerun is not None:
            rerun = replace(rerun, context=masked(rerun.context, means.hidden))
        return replace(performed, output=output, rerun=rerun)

    async def _perform(self, brief: Brief, step: Step, means: _Means, call: ActionCall) -> Performed:
        speaks = (step.uses or "").startswith("slack.")
        # In another workspace the same ids are other people's, so there nobody is mentioned.
        says, escape = _mrkdwn(mentions=means.account is None) if speaks else (_by_name, None)
        known = in_clear(brief, means.secrets)
        reads = brief.step.performing_reads
        values = context(brief.plan, brief.step, brief.path, known, self._ids, says=says, reads=reads)
        try:
            params = await render(brief.step.params, values, means.links, escape=escape)
        except ExpressionError as error:
            where = ".".join(map(str, error.where))
            raise ActionError(f"with.{where}: {error}" if where else f"with: {error}") from None
        if (step.uses or "").startswith(_TOLD):
            # What people will read never holds a secret, whatever the flow says; and what logs hold, no link either.
            params = masked(params, means.hidden if step.uses == "log" else means.secrets.values())
        if step.uses is None:
            assert isinstance(step.run, str)  # a step with an action has one of the two
            folder = self.folders.get(brief.step.scope.flow.flow, Path())
            told = {**values, "key": call.key, "attempt": call.attempt}
            session = None
            if self._links is not None and means.links is not None:
                session = self._links.session(brief, call, means.links, hidden=means.secrets.values())
            return await self._functions.call(step.run, folder, params, told, timeout=step.timeout, session=session)
        action = means.account.action(step.uses) if means.account is not None else self._actions.get(step.uses)
        if action is None:
            raise UnknownAction(_missing(step.uses))
        try:
            checked = action.params.model_validate(params)
        except ValidationError as error:
            raise ActionError(f"with: {_problems(error)}") from None
        return Performed(await action.perform(call, checked))

    def _account(self, step: Step) -> Account | None:
        """The account that the step names, None for the default one. Raises ``UnknownAction`` where it cannot do this."""
        if step.connection is None:
            return None
        account = self._accounts.get(step.connection)
        integration = (step.uses or "").partition(".")[0]
        if account is None or not account.serves(integration):
            # The step has not failed: whoever took the connection away can bring it back.
            raise UnknownAction(_no_account(step.connection, integration, self._accounts))
        return account


@dataclass(frozen=True, slots=True)
class _Means:
    """What one action is performed with: whose account, the run's secrets in clear by name, and the wait's links."""

    account: Account | None
    secrets: Mapping[str, str]
    links: SentLinks | None

    @property
    def hidden(self) -> list[str]:
        """What nobody may read who reads an output or an error: all of it. Who has a link can answer with it."""
        own = self.account.secrets if self.account is not None else ()
        return [*self.secrets.values(), *own, *(self.links.given if self.links is not None else ())]


def _by_name(person: Person) -> str:
    return person.name


def _mrkdwn(*, mentions: bool) -> tuple[Callable[[Person], str], Escape]:
    """How persons and texts go into Slack: persons as mentions, unless that is not wanted, everything else inert.

    A person prints as a mark that only this rendering knows, so that it survives ``join`` and the escaping; no
    text that somebody typed can contain it.
    """
    mark = f"\ue000{secrets.token_hex(8)}:"

    def says(person: Person) -> str:
        return f"{mark}{person.slack.rpartition('/')[2]}\ue001" if person.slack and mentions else person.name

    def escape(text: str) -> str:
        head, *rest = text.split(mark)
        parts = [escape_slack(head)]
        for part in rest:
            user, _, after = part.partition("\ue001")
            parts.append(f"<@{user}>{escape_slack(after)}")
        return "".join(parts)

    return says, escape


_OWNERS = {"mail": "Gmail or SMTP"}


def _missing(name: str) -> str:
    if name not in builtin_actions():
        return f"there is no action {name!r} in this version of Signoff"
    owner = _OWNERS.get(name.partition(".")[0]) or name.partition(".")[0].capitalize()
    return f"{name} needs {owner}, which is not set up; set it up and retry"


def _no_account(name: str, integration: str, there: Mapping[str, Account]) -> str:
    fitting = sorted(each for each, account in there.items() if account.serves(integration))
    hint = did_you_mean(name, fitting, within=f"{integration} has") or f"{integration} has {len(fitting) or 'none'}"
    of = f"is for {there[name].integration}, not for {integration}" if name in there else "is not there"
    return f"the connection {name!r} {of} ({hint}); set it in SIGNOFF_CONNECTIONS and retry"


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'it'}: {problem['msg']}"
        for problem in error.errors(include_input=False)
    )
