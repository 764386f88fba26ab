"""The page on which somebody lets an app do something, as the sandbox's Slack and Google show it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from aiohttp import web

from integrations.sandbox.members import User
from integrations.sandbox.workspace import Workspace

_STYLE = """
body { margin: 0; background: #f6f7f9; color: #1d2430; font: 15px/1.5 Inter, "Segoe UI", system-ui, sans-serif }
main { max-width: 30rem; margin: 8vh auto; padding: 1.75rem 2rem; border: 1px solid #e4e7ec; border-radius: 14px; background: #fff }
h1 { margin: 0 0 .75rem; font-size: 1.35rem; line-height: 1.3 }
p, label { color: #5d6675; overflow-wrap: anywhere }
label { display: block; margin: .5rem 0 }
select, input:not([type]) { width: 100%; margin: .25rem 0; padding: .5rem; border: 1px solid #b9c0ca; border-radius: 8px; background: #fff; font: inherit }
button { margin: 1rem .5rem 0 0; padding: .5rem 1.1rem; border: 1px solid #c9ced6; border-radius: 8px; background: #fff; font: inherit; font-weight: 600 }
button[value=allow], button:only-of-type { border-color: #1f7a5c; background: #1f7a5c; color: #fff }
small { color: #677080 }
"""


def page(title: str, body: str, *, of: str, status: int = 200) -> web.Response:
    """A page of ``of``, by which it is told from the bot's own. ``title`` and ``body`` are HTML."""
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<body><main><h1>{title}</h1>{body}<p><small>This stands in for {of}.</small></p></main></body></html>"
    )
    return web.Response(text=text, status=status, content_type="text/html")


def people(homes: Iterable[Workspace], *, team: str | None = None) -> str:
    """The choice of who one is; it comes back as ``as``. Those of ``team`` come first, or else those whose workspace has
    not got the app."""
    options = "".join(
        f'<option value="{home.id}/{user.id}">{escape(user.real_name)} in {escape(home.name)}</option>'
        for home in sorted(homes, key=lambda home: home.id != team if team else home.installed)
        for user in _members(home)
    )
    return f'<label>You are <select name="as">{options}</select></label>'


ANSWERS = '<button name="verdict" value="allow">Allow</button><button name="verdict" value="cancel">Cancel</button>'
"""What comes back as ``verdict``."""


def _members(workspace: Workspace) -> list[User]:
    users = workspace.users.values()
    return [user for user in users if not (user.is_bot or user.deleted) and user.team_id == workspace.id]
