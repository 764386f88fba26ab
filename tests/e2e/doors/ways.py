"""The ways in: each looks at a question as somebody, and answers it. There are as many as the paper has columns."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flows.run import Door as Recorded
from integrations.sandbox import NotPossible
from tests.e2e.doors.told import Told, is_refused, refusals_in


@dataclass(frozen=True)
class Say:
    """One answer: a verdict, the option that is chosen, what is filled in, and a reason.

    ``code`` is typed where a page asks for the one in the mail; None: the right one, by whoever has the mail.
    """

    verdict: str = "approve"
    values: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    option: str | None = None
    code: str | None = None

    @property
    def button(self) -> str:
        """What it is called where it is pressed."""
        return self.option.capitalize() if self.option else BUTTONS[self.verdict]


APPROVE = Say()
BUTTONS = {"": "Silence", "approve": "Approve", "reject": "Reject", "resume": "Resume", "withdraw": "Take back"}


class AsksForMore(NotPossible):
    """The button does not decide here: it opens a modal."""


class Door:
    """One way in. ``look`` gives what somebody has in front of them, ``act`` answers it and gives what they read then.

    Both raise ``NotPossible`` where the door has no way to. ``form`` is whether it takes a form to come through it,
    ``shows`` whether what is asked is shown before it is decided, ``soon`` whether it is a list with the nearest
    deadlines first, of which a page is shown. ``asks`` is what the flow says there besides.
    """

    name: str
    title: str
    recorded: Recorded
    form = False
    shows = True
    soon = False
    asks: Mapping[str, Any] = {}

    def question(self) -> str:
        """What is asked there; in no other door's question."""
        return f"Ship it, {self.name}?"

    def comment(self, say: Say) -> str | None:
        """What the ledger has of the reason."""
        return say.reason or None

    async def look(self, bot, run: int, who: str, say: Say) -> Any:
        raise NotImplementedError

    async def act(self, bot, run: int, who: str, seen: Any, say: Say) -> str:
        raise NotImplementedError


# -- Slack ----------------------------------------------------------------------------------------------------


class SlackButton(Door):
    name, title, recorded = "button", "Slack: button", Recorded.SLACK

    async def look(self, bot, run, who, say):
        seen = bot.card(who, self.question())
        if say.verdict != "withdraw" or not await bot.standing(run):
            return seen
        # Whoever says the same again is told that it stands, and may take it back there.
        await _pressed(bot, who, seen, replace(say, verdict="approve"))
        return bot.human(who).ephemerals()[-1]

    async def act(self, bot, run, who, seen, say):
        return await _pressed(bot, who, seen, say)


class SlackModal(Door):
    """The modal that a form opens. Several may be open, as on several devices: what is sent is brought to the front."""

    name, title, recorded, form = "modal", "Slack: modal", Recorded.SLACK, True

    async def look(self, bot, run, who, say):
        human = bot.human(who)
        before = len(human.ephemerals())
        human.workspace.modals.pop(human.id, None)
        await self._open(bot, run, who, replace(say, verdict="reject") if say.verdict == "withdraw" else say)
        await bot.app._door.drain()
        if human.modal is not None and human.modal.content.get("submit") is not None:
            return human.modal
        # Whoever may not decide is told so at once, and gets no modal to fill in.
        told = [message.shown_text() for message in human.ephemerals()[before:]]
        return "\n".join(told + ([human.modal.shown_text()] if human.modal is not None else []))

    async def _open(self, bot, run, who, say):
        await bot.human(who).click(bot.card(who, self.question()), say.button)

    async def act(self, bot, run, who, seen, say):
        if isinstance(seen, str):
            return seen
        human = bot.human(who)
        before = len(human.ephemerals())
        human.workspace.modals[human.id] = [seen]
        if say.verdict == "withdraw":
            await human.click(seen, say.button)
        else:
            await human.submit(self.filled_in(say), view=seen)
        await bot.app._door.drain()
        told = [message.shown_text() for message in human.ephemerals()[before:]]
        if human.modal is not None:
            told += [human.modal.shown_text(), *map(": ".join, human.modal.errors.items())]
        return "\n".join(told)

    def filled_in(self, say: Say) -> dict[str, Any]:
        return dict(say.values) | ({"Reason": say.reason} if say.reason else {})


class SlackCutCard(SlackModal):
    """A card that shows a part of what is asked: the modal has the whole of it."""

    name, title, form = "whole", "Slack: modal of a card that is cut", False

    def question(self) -> str:
        return f"Ship it, {self.name}?\n" + 80 * "All that is in it stands here, line by line.\n" + "The last line."

    async def look(self, bot, run, who, say):
        seen = await super().look(bot, run, who, say)
        # Whoever rejects need not have read all of it.
        assert say.verdict in ("reject", "withdraw") or isinstance(seen, str) or "The last line." in seen.shown_text()
        return seen

    async def _open(self, bot, run, who, say):
        card = bot.card(who, f"Ship it, {self.name}?")
        assert "The last line." not in card.shown_text()
        assert "Show all" in card.buttons()
        await bot.human(who).click(card, say.button)


class SlackCommand(SlackModal):
    """The command opens the modal, whatever there is to fill in."""

    name, title, form = "command", "Slack: `/approvals approve ID`", False

    async def _open(self, bot, run, who, say):
        if not say.verdict:
            raise NotPossible("no command says nothing")
        await bot.human(who).command("/approvals", f"{say.verdict} {bot.approval_id(run)}", channel="#general")

    def filled_in(self, say: Say) -> dict[str, Any]:
        return super().filled_in(say) | ({"Your choice": say.option} if say.option else {})


class SlackList(Door):
    name, title, recorded, soon = "list", "Slack: `/approvals`", Recorded.SLACK, True

    async def look(self, bot, run, who, say):
        human = bot.human(who)
        before = len(human.ephemerals())
        await human.command("/approvals", "all", channel="#general")
        await bot.app._door.drain()
        (shown,) = human.ephemerals()[before:]
        return shown

    async def act(self, bot, run, who, seen, say):
        return await _pressed(bot, who, seen, say, block_id=f"all:{bot.approval_id(run)}")


class SlackHome(Door):
    """The home tab as it was when they looked: Slack's client draws a newer one when it comes."""

    name, title, recorded, soon = "home", "Slack: home tab", Recorded.SLACK, True

    async def look(self, bot, run, who, say):
        await bot.human(who).open_home()
        await bot.app._door.drain()
        return copy.deepcopy(bot.human(who).home)

    async def act(self, bot, run, who, seen, say):
        human = bot.human(who)
        opened = human.modal
        row = "done" if say.verdict == "withdraw" else "mine"
        await human.click_stale(seen, say.button, block_id=f"{row}:{bot.approval_id(run)}")
        await bot.app._door.drain()
        if human.modal is not opened:
            await human.close()
            raise AsksForMore
        return human.home.shown_text()


class SlackSelection(SlackModal):
    """Ticked on the home tab, and decided in the modal that takes one answer to all that is ticked."""

    name, title, form, soon = "selected", "Slack: home tab, decide selected", False, True

    async def _open(self, bot, run, who, say):
        human = bot.human(who)
        await human.open_home()
        await bot.app._door.drain()
        approval = bot.approval_id(run)
        await human.select(human.home, "home_pick", [approval], block_id=f"home_pick:{approval}")
        await human.click(human.home, "Decide selected")

    async def act(self, bot, run, who, seen, say):
        if say.verdict == "withdraw" or say.option is not None:
            raise NotPossible("it takes one answer to all of them, and a reason")
        return await super().act(bot, run, who, seen, say)

    def filled_in(self, say: Say) -> dict[str, Any]:
        return super().filled_in(say) | {"Your answer to all of them": say.verdict.capitalize()}


class SlackThread(Door):
    """A reply in the card's thread, which its author confirms."""

    name, title, recorded = "thread", "Slack: reply in the thread, confirmed", Recorded.SLACK
    asks: Mapping[str, Any] = {"thread_replies": "count"}

    def comment(self, say):
        return _WRITTEN[say.verdict]

    async def look(self, bot, run, who, say):
        if say.verdict not in _WRITTEN or say.option is not None:
            raise NotPossible("a reply says yes or no")
        human = bot.human(who)
        before = len(human.ephemerals())
        await human.reply_in_thread(bot.card(who, self.question()), _WRITTEN[say.verdict])
        await bot.app._door.drain()
        said = human.ephemerals()[before:]
        if not said:
            raise NotPossible("nobody asks whether it is to count")
        return said[-1]

    async def act(self, bot, run, who, seen, say):
        if not seen.buttons():
            return seen.shown_text()
        human = bot.human(who)
        await human.click(seen, f"Yes, {say.verdict}")
        await bot.app._door.drain()
        return human.now(seen).shown_text()


_WRITTEN = {"approve": "ok", "reject": "nope", "resume": "go ahead"}


async def _pressed(bot, who, seen, say, *, block_id=None) -> str:
    human = bot.human(who)
    before, opened = len(human.ephemerals()), human.modal
    await human.click_stale(seen, say.button, block_id=block_id)
    await bot.app._door.drain()
    if human.modal is not opened:
        await human.close()
        raise AsksForMore
    told = human.ephemerals()[before:]
    if seen.ephemeral_to is not None:
        told.append(human.now(seen))  # a list is answered in its own place
    return "\n".join(message.shown_text() for message in told)


# -- pages ----------------------------------------------------------------------------------------------------


class WebPage(Door):
    name, title, recorded = "page", "page of a mail link", Recorded.PAGE

    async def look(self, bot, run, who, say):
        return await bot.opens(who, await bot.link(run, who))

    async def act(self, bot, run, who, seen, say):
        if not seen.forms:
            return seen.text  # a page that says no has no form
        return (await sent(bot, who, seen, say)).text


class CodedPage(WebPage):
    """The flow asks for the code that the mail shows, and whoever has the mail types it."""

    name, title = "coded", "page of a mail link, with `verify: code`"
    asks: Mapping[str, Any] = {"verify": "code"}

    async def look(self, bot, run, who, say):
        code = bot.app.links.code(await bot.view(run), (await bot.person(who)).id)
        return code, await super().look(bot, run, who, say)

    async def act(self, bot, run, who, seen, say):
        code, page = seen
        return await super().act(bot, run, who, page, replace(say, code=say.code or code))


class EarlyLink(WebPage):
    """A link that was made for the whole run before anything was asked, and is opened when something is."""

    name, title = "early", "link made in advance"

    async def look(self, bot, run, who, say):
        return await bot.opens(who, await early_link(bot, run, who))


async def early_link(bot, run: int, who: str, step: str | None = None) -> str:
    """The address of somebody's decision for a run, or for a step of it, before it is asked for."""
    return bot.app.links.early((await bot.run(run)).run, (await bot.person(who)).id, step)


async def sent(bot, who: str, page, say: Say):
    """Fill in the form of a page that says this, as somebody, and send it."""
    field = "take_back" if say.verdict == "withdraw" else "verdict"
    form = next((form for form in page.forms if field in form.choices), None)
    if form is None:
        raise NotPossible(f"the page has no {field}")
    page = replace(page, forms=(form,))
    values = {f"form.{name}": value for name, value in say.values.items()}
    values |= {"comment": say.reason} if say.reason else {}
    values |= {"code": say.code} if say.code and "code" in form.values else {}
    if say.verdict == "withdraw":
        values[field] = form.choices[field][0]
    elif say.verdict:
        values[field] = f"{say.verdict}:{say.option}" if say.option else say.verdict
    sent = await (await bot.browser(who)).send(page, values)
    await bot.app.runner.idle()
    return sent


# -- programs -------------------------------------------------------------------------------------------------


class JsonApi(Door):
    name, title, recorded = "api", "API", Recorded.API

    async def look(self, bot, run, who, say):
        return (await bot.api(who, "GET", f"approvals/{bot.approval_id(run)}")).body.get("digest")

    async def act(self, bot, run, who, seen, say):
        body = _body(say) | ({"digest": seen} if seen else {})
        reply = await bot.api(who, "POST", f"approvals/{bot.approval_id(run)}/decisions", body)
        fields = " ".join(reply.body.get("fields") or ())
        text = f"{reply.said} {fields}"
        assert reply.status == told_by(text).status, reply
        return text


class ApiForSeveral(Door):
    """Several ids in one request; the other is nobody's, and is told apart."""

    name, title, recorded, shows = "bulk", "API: several", Recorded.API, False

    async def look(self, bot, run, who, say):
        return None

    async def act(self, bot, run, who, seen, say):
        reply = await bot.api(
            who, "POST", "approvals/decisions", {"ids": [_nobodys(bot), bot.approval_id(run)]} | _body(say)
        )
        if reply.status != 200:
            assert reply.status == told_by(reply.said).status, reply
            return reply.said
        other, item = reply.body["items"]
        assert (other["ok"], told_by(other["detail"])) == (False, Told.HIDDEN), other
        assert (item["id"], item["ok"]) == (bot.approval_id(run), item["problem"] is None), item
        fields = " ".join((item["problem"] or {}).get("fields") or ())
        text = f"{item['detail']} {fields}"
        told = told_by(text)
        assert item["counted"] is told.done, item
        assert told.done or (item["problem"]["status"] if item["problem"] else 200) == told.status, item
        return text


class CommandLine(Door):
    name, title, recorded = "cli", "command line", Recorded.API

    async def look(self, bot, run, who, say):
        return None

    async def act(self, bot, run, who, seen, say):
        if not say.verdict:
            raise NotPossible("no command says nothing")
        result = await bot.cli(who, say.verdict, bot.approval_id(run), *_options(say))
        assert result.exit_code == (1 if is_refused(result.output) else 0), result.output
        return result.output


class CommandForSeveral(Door):
    """The same command with several ids."""

    name, title, recorded, shows = "several", "command line: several", Recorded.API, False

    async def look(self, bot, run, who, say):
        return None

    async def act(self, bot, run, who, seen, say):
        if not say.verdict:
            raise NotPossible("no command says nothing")
        result = await bot.cli(who, say.verdict, _nobodys(bot), bot.approval_id(run), *_options(say))
        assert result.exit_code == 1, result.output  # the other was refused
        lines = [line.split("\t") for line in result.output.splitlines() if "\t" in line]
        if not lines:
            return result.output
        other, (id_, how, text) = lines
        assert (other[1], told_by(other[2])) == ("refused", Told.HIDDEN), result.output
        told = told_by(text)
        assert (id_, how) == (
            bot.approval_id(run),
            "done" if told.done else "no change" if told.status == 200 else "refused",
        ), result.output
        return text


def told_by(text: str) -> Told:
    """What a program's answer says: the first thing that was refused, else what was done."""
    done = Told.TAKEN_BACK if Told.TAKEN_BACK.is_in(text) else Told.COUNTED
    return next(iter(refusals_in(text)), done)


def _nobodys(bot) -> str:
    return bot.app.engine.ids.suspension(9_999, 1)


def _body(say: Say) -> dict[str, Any]:
    body: dict[str, Any] = {"form": dict(say.values)} | ({"verdict": say.verdict} if say.verdict else {})
    body |= {"comment": say.reason} if say.reason else {}
    return body | ({"option": say.option} if say.option else {})


def _options(say: Say) -> list[str]:
    more = [part for name, value in say.values.items() for part in ("-f", f"{name}={value}")]
    more += ["--option", say.option] if say.option else []
    if say.verdict == "reject":
        return [*more, "--reason", say.reason]
    return [*more, "--comment", say.reason] if say.reason else more


DOORS: tuple[Door, ...] = (
    SlackButton(),
    SlackModal(),
    SlackCutCard(),
    SlackHome(),
    SlackSelection(),
    SlackList(),
    SlackCommand(),
    SlackThread(),
    WebPage(),
    CodedPage(),
    EarlyLink(),
    JsonApi(),
    ApiForSeveral(),
    CommandLine(),
    CommandForSeveral(),
)
