"""``/connect/gmail``: an admin lets Signoff send from a Gmail account, sees which there are, and takes one back.

Only a fresh link that was made for an admin opens it (``bot.web.admin_links``). Opening it changes nothing. What comes back
from Google is taken once, from the browser that began it, and proves itself with a mail to the admin.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from bot.google.accounts import GoogleAccounts
from bot.google.consents import PATIENCE, Consents
from bot.google.rows import Row
from bot.mail import render
from bot.people import People
from bot.web.admin_links import Admin, AdminDoor, AdminLinks
from bot.web.bound_forms import BoundForms
from bot.web.drawing import Drawing, policy
from bot.web.standing import Moments
from bot.web.typed import read_typed
from bot.web.widgets import Typed
from flows.clock import Clock
from flows.errors import ActionError, InvalidForm, LinkInvalid, NotAllowed
from flows.links import INVALID, Keyring
from flows.people import Person
from integrations.gmail.consent import OAuthClient
from integrations.mail.messages import Mail, message_id

log = logging.getLogger(__name__)

PATH = f"/{AdminDoor.GMAIL}"
CALLBACK = f"{PATH}/callback"
"""What has to stand among the redirect addresses of the OAuth client, behind the public address."""

_COOKIE = "signoff_consent"
_NONCE = re.compile(r"[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ADMINS_ONLY = (
    "This page is for admins of Signoff, and opens by a link that was just made for one of them: run"
    " `signoff connect gmail` where Signoff runs."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One account on the page."""

    email: str
    name: str
    default: bool
    by: str
    at: str
    broken: str | None
    tested: str | None
    proof: str


class ConnectGmail:
    """The handlers. ``client`` is None where the settings name no OAuth client; the page then says how to make one."""

    def __init__(
        self,
        *,
        accounts: GoogleAccounts,
        consents: Consents | None,
        client: OAuthClient | None,
        people: People,
        keyring: Keyring,
        clock: Clock,
        public_url: str,
        settings_sender: str | None = None,
    ) -> None:
        self._accounts = accounts
        self._consents = consents
        self._client = client
        self._people = people
        self._clock = clock
        self._links = AdminLinks(keyring, clock, public_url)
        self._forms = BoundForms(keyring, public_url)
        self._drawing = Drawing(public_url)
        self._public_url = public_url.rstrip("/")
        self._settings_sender = settings_sender
        self._secure = urlsplit(public_url).scheme == "https"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(PATH, self._show),
            web.post(PATH, self._act),
            web.get(CALLBACK, self._callback, allow_head=False),
        ]

    # -- the page -----------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        if "link" not in request.query:
            return self._drawing.message("For admins only", [_ADMINS_ONLY], status=403)
        return await self._page(request, await self._admin(request))

    async def _act(self, request: web.Request) -> web.StreamResponse:
        admin = await self._admin(request)
        typed = await read_typed(request)
        what, email = _one(typed, "do"), _one(typed, "account")
        self._forms.check(request, _one(typed, "proof"), admin.again, what, email)
        try:
            if what == "connect":
                return await self._begin(request, admin, _one(typed, "name").strip())
            said = await self._revoke(email, sure=typed.get("sure") == ["yes"])
        except InvalidForm as error:
            return await self._page(request, admin, trouble=" ".join(error.fields.values()), status=422)
        except ActionError as error:
            return await self._page(request, admin, trouble=str(error), status=503)
        return await self._page(request, admin, said=said)

    async def _revoke(self, email: str, *, sure: bool) -> str:
        if not sure:
            raise InvalidForm({"sure": "Please tick the box first."})
        await self._accounts.revoke(email)
        return f"{email} is disconnected, and Google has forgotten the consent."

    async def _begin(self, request: web.Request, admin: Admin, name: str) -> web.StreamResponse:
        if self._consents is None:
            raise InvalidForm({"name": "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not set."})
        if name and not _NAME.fullmatch(name):
            raise InvalidForm({"name": "A name is small letters, digits and _, like billing_eu."})
        self._accounts.check_name(name)
        browser = _browser(request) or secrets.token_urlsafe(32)
        url = await self._consents.begin(admin.person.id, name, browser)
        response = web.Response(status=303, headers={"Location": url})
        # Lax: the browser comes back from Google's site, and brings it along.
        response.set_cookie(
            _COOKIE,
            browser,
            path=f"{self._drawing.root}{CALLBACK}",
            max_age=int(PATIENCE.total_seconds()),
            httponly=True,
            samesite="Lax",
            secure=self._secure,
        )
        return response

    async def _page(
        self,
        request: web.Request,
        admin: Admin,
        *,
        said: str | None = None,
        trouble: str | None = None,
        status: int = 200,
    ) -> web.Response:
        nonce = self._forms.nonce(request)
        moment = Moments(admin.person, self._clock.now())
        response = self._drawing.page(
            "connect.html",
            status=status,
            reader=admin.person.name,
            action=admin.again,
            said=said,
            trouble=trouble,
            accounts=[
                await self._shown(row, number, admin, nonce, moment)
                for number, row in enumerate(await self._accounts.listed())
            ],
            ready=self._client is not None,
            redirect=f"{self._public_url}{CALLBACK}",
            settings_sender=self._settings_sender,
            proof=self._forms.proof(nonce, admin.again, "connect", ""),
        )
        self._forms.remember(response, nonce, f"{self._drawing.root}{PATH}")
        if self._client is not None:
            # The form's answer leads to Google's page, and browsers ask whether a form may.
            parts = urlsplit(self._client.endpoints.consent)
            response.headers["Content-Security-Policy"] = policy(forms_to=f"{parts.scheme}://{parts.netloc}")
        return response

    async def _shown(self, row: Row, number: int, admin: Admin, nonce: str, moment: Moments) -> Shown:
        by = await self._people.by_id(row.connected_by)
        return Shown(
            email=row.email,
            name=row.name,
            default=number == 0,
            by=by.name if by is not None else "somebody",
            at=moment(row.connected_at).words,
            broken=row.broken,
            tested=row.tested,
            proof=self._forms.proof(nonce, admin.again, "revoke", row.email),
        )

    # -- back from Google ---------------------------------------------------------------------------------------

    async def _callback(self, request: web.Request) -> web.Response:
        browser = _browser(request)
        if self._consents is None or browser is None:
            raise LinkInvalid(INVALID)
        finished = await self._consents.finish(request.query.get("state", ""), browser)
        admin = await self._people.by_id(finished.admin)
        if admin is None or not self._people.is_admin((await self._people.present(admin)).id):
            raise NotAllowed("Only an admin of Signoff can connect an account.")
        code = request.query.get("code")
        if request.query.get("error") or not code:
            return self._drawing.message(
                "Not connected", ["Google's page was left without allowing anything, so nothing has changed."]
            )
        try:
            granted = await self._consents.exchange(finished, code)
            row = await self._accounts.add(granted, finished.name, admin.id)
        except ActionError as error:
            return self._drawing.message("Not connected", [str(error)], status=502)
        except InvalidForm as error:
            return self._drawing.message("Not connected", list(error.fields.values()), status=422)
        tested = await self._test(row, admin)
        await self._accounts.tested(row.email, tested)
        return self._drawing.message(
            "Connected",
            [
                f"Signoff can send from {row.email} now.",
                f"Steps name it with `connection: {row.name}`. Mail that names none goes out from the first account.",
                tested,
            ],
        )

    async def _test(self, row: Row, admin: Person) -> str:
        """Send the admin a mail from the new account; what became of it, in a sentence."""
        mailer = self._accounts.mailer(row.email)
        if mailer is None or admin.email is None:
            return "No mail was sent to try it."
        letter = render.proof(admin.name, row.email)
        key = f"test/{row.email}/{row.connected_at.isoformat()}"
        mail = Mail((admin.email,), letter.subject, letter.text, letter.html, message_id=message_id(key, row.email))
        try:
            await mailer.send(mail, memo={}, remember=_nothing)
        except ActionError as error:
            return f"A mail to {admin.email}, to try it, did not go through: {error}"
        return f"A mail to {admin.email} was sent to try it."

    async def _admin(self, request: web.Request) -> Admin:
        return await self._links.admin(request, AdminDoor.GMAIL, self._people)


async def _nothing(_memo: object) -> None:
    """A mail for trying is not repeated."""


def _one(typed: Typed, name: str) -> str:
    values: Sequence[str] = typed.get(name) or [""]
    return values[0]


def _browser(request: web.Request) -> str | None:
    nonce = request.cookies.get(_COOKIE, "")
    return nonce if _NONCE.fullmatch(nonce) else None
