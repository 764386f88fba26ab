"""What admins read on their home tab: where Signoff is installed, and a link to install it, made for them just now."""

from __future__ import annotations

from bot.installations import rows
from bot.web.admin_links import AdminDoor, AdminLinks
from flows.people import Person
from flows.store.sqlite import SqliteStore
from integrations.slack.text import escape


class Installed:
    """Says it to one admin, in sentences in Slack's markup. Somebody without a mail address gets no link."""

    def __init__(self, store: SqliteStore, links: AdminLinks) -> None:
        self._store = store
        self._links = links

    async def __call__(self, admin: Person) -> list[str]:
        found = [row for row in await self._store.read(lambda c, _: rows.every(c)) if row.removed_at is None]
        url = escape(self._links.url(AdminDoor.SLACK, admin.email)) if admin.email is not None else None
        broken = [
            f":warning: Signoff cannot stay connected to *{escape(row.name)}*: {escape((row.broken or '').rstrip('.'))}."
            + (f" <{url}|Install it there again>" if url else "")
            for row in found
            if row.broken is not None
        ]
        names = ", ".join(f"*{escape(row.name)}*" for row in found if row.broken is None)
        where = f"Signoff is installed in {names}." if names else "Signoff can be installed in more workspaces."
        return [*broken, *([f":electric_plug: {where} <{url}|Install it in a workspace>"] if url else [])]
