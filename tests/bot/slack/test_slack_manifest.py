"""``manifest.yml``: within Slack's limits, and exactly what the bot listens to and calls."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import integrations.slack.client
from bot.scopes import SCOPES as CHECKED
from bot.slack.app import EVENTS
from bot.slack.commands import COMMAND
from bot.slack.views.ask_modal import ASK_MESSAGE
from bot.slack.views.start_modal import START_FLOW
from flows.definition import Approval, Flow, Step

ROOT = Path(__file__).parents[3]

# By scope, the methods that need it and that the client calls. Those of the last row need none.
SCOPES: dict[str | None, set[str]] = {
    "channels:history": {"conversations.history", "conversations.replies"},
    "groups:history": {"conversations.history", "conversations.replies"},
    "im:history": {"conversations.history"},
    "channels:read": {"conversations.list", "conversations.info"},
    "groups:read": {"conversations.list", "conversations.info"},
    "chat:write": {"chat.postMessage", "chat.update", "chat.delete", "chat.postEphemeral"},
    "chat:write.public": {"chat.postMessage"},
    "commands": set(),
    "im:write": {"conversations.open"},
    "usergroups:read": {"usergroups.list", "usergroups.users.list"},
    "users:read": {"users.info", "users.list"},
    "users:read.email": {"users.lookupByEmail"},
    None: {"auth.test", "chat.getPermalink", "views.open", "views.update", "views.publish"},
}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    loaded = YAML(typ="safe").load((ROOT / "manifest.yml").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_the_manifest_keeps_slacks_limits(manifest):
    shown = manifest["display_information"]
    assert len(shown["name"]) <= 35
    assert len(shown["description"]) <= 140
    assert 175 <= len(shown["long_description"]) <= 4_000
    assert re.fullmatch(r"#[0-9a-f]{6}", shown["background_color"])
    assert len(manifest["features"]["bot_user"]["display_name"]) <= 80
    for command in manifest["features"]["slash_commands"]:
        assert re.fullmatch(r"/\S{1,31}", command["command"])
        assert len(command["description"]) <= 2_000
        assert len(command["usage_hint"]) <= 1_000


def test_the_manifest_has_only_keys_that_slack_knows(manifest):
    assert manifest.keys() == {"_metadata", "display_information", "features", "oauth_config", "settings"}
    assert manifest["features"].keys() <= {"app_home", "bot_user", "slash_commands", "shortcuts", "unfurl_domains"}
    assert manifest["features"]["app_home"].keys() <= {
        "home_tab_enabled",
        "messages_tab_enabled",
        "messages_tab_read_only_enabled",
    }
    assert manifest["settings"].keys() <= {
        "event_subscriptions",
        "interactivity",
        "org_deploy_enabled",
        "socket_mode_enabled",
        "token_rotation_enabled",
    }


def test_the_app_installs_as_it_is_with_socket_mode_and_no_address(manifest):
    text = (ROOT / "manifest.yml").read_text("utf-8")
    told = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert manifest["settings"]["interactivity"] == {"is_enabled": True}
    assert "http" not in told
    assert "url" not in told


def test_the_manifest_subscribes_to_what_the_bot_listens_to(manifest):
    assert [command["command"] for command in manifest["features"]["slash_commands"]] == [COMMAND]
    assert manifest["settings"]["event_subscriptions"]["bot_events"] == list(EVENTS)
    shortcuts = [(one["type"], one["callback_id"]) for one in manifest["features"]["shortcuts"]]
    assert shortcuts == [("global", START_FLOW), ("message", ASK_MESSAGE)]
    assert all(len(one["name"]) <= 24 and len(one["description"]) <= 150 for one in manifest["features"]["shortcuts"])
    assert manifest["features"]["app_home"]["home_tab_enabled"] is True
    # Without this nobody could open the direct message in which their cards are.
    assert manifest["features"]["app_home"]["messages_tab_enabled"] is True


def test_the_manifest_asks_for_the_scopes_of_the_methods_that_are_called_and_for_no_other(manifest):
    source = Path(integrations.slack.client.__file__).read_text("utf-8")
    called = set(re.findall(r'"((?:auth|chat|conversations|usergroups|users|views)\.[A-Za-z.]+)"', source))

    assert set(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES.keys() - {None} == CHECKED.keys()
    assert set().union(*SCOPES.values()) == called


async def test_a_bot_with_exactly_these_scopes_does_everything(manifest, sandbox, start_bot):
    ann, bob = sandbox.person("ann"), sandbox.person("bob")
    sandbox.workspace.add_channel("open", [bob.user], with_bot=False)
    approvers = ("bob@example.com", "@hr-leads")
    via = ("slack", {"slack": "#open"}, {"slack": "#releases"})
    flow = Flow(flow="ask", steps=[Step(id="gate", approval=Approval(ask="Ship it?", approvers=approvers, via=via))])
    bot = await start_bot(flow, token=sandbox.new_token(manifest["oauth_config"]["scopes"]["bot"]))
    sandbox.faults.drop_after("chat.postMessage", times=3)
    run = await bot.begin("ask", ann)
    for _ in range(4):
        bot.clock.advance("2m")
        await bot.settled()
    await bob.open_home()
    await bob.command(COMMAND)
    await bob.is_told("Open the card")
    await bob.click(bob.message("Ship it?"), "Reject")
    await bob.gets_modal("Reject")
    await bob.submit({"reason": "no"})
    await ann.sees("was rejected by")

    refused = {call.outcome for call in sandbox.calls.all if not call.method.startswith("bot:")}
    assert "missing_scope" not in refused
    assert await bot.status(run) == "rejected"


@pytest.mark.parametrize("event", EVENTS)
async def test_every_event_that_is_subscribed_to_is_taken(sandbox, start_bot, event):
    bob = sandbox.person("bob")
    await start_bot()
    # Slack is asked for a message by the kind of channel that it is in, and tells of it without that.
    inner = {"type": event.partition(".")[0], "user": bob.id, "channel": "D1", "tab": "home", "event_ts": "1.0"}
    body = {"type": "event_callback", "team_id": sandbox.workspace.id, "event": inner}

    known = await sandbox.line.deliver("events_api", event, body)
    other = await sandbox.line.deliver("events_api", "x", {**body, "event": {**inner, "type": "team_join"}})

    assert (known.status, other.status) == (200, 404)
