"""The ways in: each looks at a question as somebody, and answers it. There are as many as the paper has columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flows.run import Door as Recorded
from integrations.sandbox import NotPossible
from tests.e2e.doors.told import Told, is_refused, refusals_in


@dataclass(frozen=True)
class Say:
    """One answer: a verdict, the option that is chosen, what is filled in, and a reason."""

    verdict: str = "approve"
    values: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    option: str | None = None

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
    ``shows`` whether what is asked is shown before it is decided.
    """

    name: str
    title: str
    recorded: Recorded
    form = False
    shows = True

    async def look(self, bot, run: int, who: str, say: Say) -> Any:
        raise NotImplementedError

    async def act(self, bot, run: int, who: str, seen: Any, say: Say) -> str:
        raise NotImplementedError


def question(door: Door) -> str:
    return f"Ship it, {door.name}?"


# -- Slack ----------------------------------------------------------------------------------------------------


class SlackButton(Door):
    name, title, recorded = "button", "Slack: button", Recorded.SLACK

    async def look(self, bot, run, who, say):
        seen = await bot.human(who).sees(question(self))
        if say.verdict != "withdraw" or who not in await bot.standing(run):
            return seen
        # Whoever says the same again is told that it stands, and may take it back there.
        await _pressed(bot, who, seen, replace(say, verdict="approve"))
        return bot.human(who).ephemerals()[-1]

    async def act(self, bot, run, who, seen, say):
        return await _pressed(bot, who, seen, say)


class SlackModal(Door):
    name, title, recorded, form = "modal", "Slack: modal", Recorded.SLACK, True

    async def look(self, bot, run, who, say):
        human = bot.human(who)
        before = len(human.ephemerals())
        opening = replace(say, verdict="reject") if say.verdict == "withdraw" else say
        await human.click(await human.sees(question(self)), opening.button)
        await bot.app._door.drain()
        if human.modal is not None:
            return human.modal
        # Whoever may not decide is told so at once, and gets no modal to fill in.
        return "\n".join(message.shown_text() for message in human.ephemerals()[before:])

    async def act(self, bot, run, who, seen, say):
        if isinstance(seen, str):
            return seen
        human = bot.human(who)
        before = len(human.ephemerals())
        if say.verdict == "withdraw":
            await human.click(seen, say.button)
        else:
            await human.submit(dict(say.values) | ({"Reason": say.reason} if say.reason else {}), view=seen)
        await bot.app._door.drain()
        told = [message.shown_text() for message in human.ephemerals()[before:]]
        if human.modal is not None:
            told += [human.modal.shown_text(), *map(": ".join, human.modal.errors.items())]
        return "\n".join(told)


class SlackList(Door):
    name, title, recorded = "list", "Slack: `/approvals`", Recorded.SLACK

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
    name, title, recorded = "home", "Slack: home tab", Recorded.SLACK

    async def look(self, bot, run, who, say):
        human = bot.human(who)
        await human.open_home()
        await bot.app._door.drain()
        # What one has decided stands further down, and can be taken back there; some of it on further pages.
        row, of = ("done", "decided") if say.verdict == "withdraw" else ("mine", "waiting")
        there = f"{row}:{bot.approval_id(run)}"
        while not any(block["block_id"] == there for block in human.home.blocks):
            try:
                await human.click(human.home, f"home_page:{of}:next")
            except NotPossible:
                break  # said when it is pressed
            await bot.app._door.drain()
        return human.home

    async def act(self, bot, run, who, seen, say):
        human = bot.human(who)
        opened = human.modal
        row = "done" if say.verdict == "withdraw" else "mine"
        await human.click(seen, say.button, block_id=f"{row}:{bot.approval_id(run)}")
        await bot.app._door.drain()
        if human.modal is not opened:
            await human.close()
            raise AsksForMore
        return human.home.shown_text()


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
    if say.verdict == "withdraw":
        return await (await bot.browser(who)).send(page, {field: form.choices[field][0]})
    if not say.verdict:
        return await (await bot.browser(who)).send(page, {})
    verdict = f"{say.verdict}:{say.option}" if say.option else say.verdict
    return await bot.sends(who, page, verdict, say.reason, **say.values)


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
            "done" if told.done else "no change" if told is Told.REPEATED else "refused",
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
    SlackList(),
    SlackHome(),
    WebPage(),
    EarlyLink(),
    JsonApi(),
    ApiForSeveral(),
    CommandLine(),
    CommandForSeveral(),
)
