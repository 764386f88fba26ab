"""What admins read on their home tab: where Signoff is installed; and the link to install it, made when they want it."""

from __future__ import annotations

from bot.installations import rows
from bot.web.admin_links import AdminDoor, AdminLinks
from flows.people import Person
from flows.store.sqlite import SqliteStore
from integrations.slack.text import escape


class Installed:
    """Says it to admins, in sentences in Slack's markup."""

    def __init__(self, store: SqliteStore, links: AdminLinks) -> None:
        self._store = store
        self._links = links

    async def __call__(self, _admin: Person) -> list[str]:
        found = [row for row in await self._store.read(lambda c, _: rows.every(c)) if row.removed_at is None]
        broken = [
            f":warning: Signoff cannot stay connected to *{escape(row.name)}*: {escape((row.broken or '').rstrip('.'))}."
            " Install it there again."
            for row in found
            if row.broken is not None
        ]
        names = ", ".join(f"*{escape(row.name)}*" for row in found if row.broken is None)
        where = f"Signoff is installed in {names}." if names else "Signoff can be installed in more workspaces."
        return [*broken, f":electric_plug: {where}"]

    def link(self, admin: Person) -> str | None:
        """The address at which they install it, good for minutes; None for somebody without a mail address."""
        return self._links.url(AdminDoor.SLACK, admin.email) if admin.email is not None else None
