"""Short-lived links for admins: to the pages on which accounts of the whole installation are connected.

Such a page is no place to sign in at, and whoever opens it may give Signoff the right to write in a company's name. So
it takes a link that was made for one admin and one page, by somebody who has the secret key (``signoff connect``) or
has shown who they are (a command in Slack), a few minutes ago. Nothing is stored. Opening such a page changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from bot.people import People
from flows.clock import Clock
from flows.errors import LinkInvalid, NotAllowed
from flows.handles import InvalidHandle, is_email, normalise
from flows.links import INVALID, NOBODY, Keyring, Link, Purpose
from flows.people import Person

LIFETIME = timedelta(minutes=15)
"""As long as it takes to find the account's password; the link opens the page as often as is wanted until then."""

_FOR, _LINK = "for", "link"


class AdminDoor(StrEnum):
    """The pages, by where they are."""

    GMAIL = "connect/gmail"
    SLACK = "slack/install"


@dataclass(frozen=True, slots=True)
class Admin:
    """Who came through a door. ``again`` is the door's address for forms of its page, which need the link too."""

    person: Person
    again: str = field(repr=False)


class AdminLinks:
    """Makes the links and tells those that are good."""

    def __init__(self, keyring: Keyring, clock: Clock, public_url: str) -> None:
        self._keyring = keyring
        self._clock = clock
        self._public_url = public_url.rstrip("/")

    def url(self, door: AdminDoor, admin: str) -> str:
        """The address of a door for an admin, given by their mail address. Good for ``LIFETIME``.

        Whether they are an admin is for the caller to know, and looked at again when the link is used. Raises
        ``InvalidHandle`` where it is no mail address.
        """
        return f"{self._public_url}/{door}?{self._query(door, _address(admin))}"

    async def admin(self, request: web.Request, door: AdminDoor, people: People) -> Admin:
        """Who may come through this door, by the link in the address.

        Raises ``LinkInvalid``, ``LinkExpired``, ``NotAllowed`` where they are no admin any more or have left Slack, and
        ``TryAgain`` where Slack cannot be asked.
        """
        given, token = request.query.get(_FOR, ""), request.query.get(_LINK, "")
        try:
            address = _address(given)
        except InvalidHandle:
            raise LinkInvalid(INVALID) from None
        self._keyring.verify(token, Purpose.ADMIN, now=self._clock.now(), about=_about(door, address))
        person = await people.present(await people.by_email(address))
        if not people.is_admin(person.id):
            raise NotAllowed(f"{person.name} is no admin of Signoff; SIGNOFF_ADMINS says who is.")
        again = urlencode({_FOR: address, _LINK: token})
        return Admin(person, f"{urlsplit(self._public_url).path}/{door}?{again}")

    def _query(self, door: AdminDoor, address: str) -> str:
        link = Link(Purpose.ADMIN, 0, 0, NOBODY, 1, self._clock.now() + LIFETIME, _about(door, address))
        return urlencode({_FOR: address, _LINK: self._keyring.sign(link)})


def _address(text: str) -> str:
    address = normalise(text)
    if not is_email(address):
        raise InvalidHandle(f"{text!r} is no mail address")
    return address


def _about(door: AdminDoor, address: str) -> str:
    # The door has no space, so neither can be taken for a part of the other.
    return f"{door} {address}"
