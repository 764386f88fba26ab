"""The address that Slack, Google and people reach the bot at: what it says, and whether the bot answers there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from bot.doctor.finding import Finding, fail, ok, warn
from bot.doctor.patient import Answer, Patient, Unanswered
from bot.manifest import EVENTS_PATH, GMAIL_PATH, INSTALLED_PATH, SIGNED_IN_PATH
from bot.public_address import only_here, only_inside, unfit_for_slack
from bot.settings import Settings


class LinksOpen:
    """Whether links in mails and cards open where people are."""

    name = "links"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        url = patient.settings.public_url
        if only_here(url):
            said = f"Links in mails and in Slack lead to {url}, which opens on this machine only."
            todo = "Set SIGNOFF_PUBLIC_URL to the address that people reach the bot at."
            return [fail(said, todo) if _sends_links(patient.settings) else warn(said, todo)]
        if not url.startswith("https://"):
            said = f"{url} is not encrypted: who listens on the way can use links and tokens."
            return [warn(said, "Put TLS in front of the bot, and set SIGNOFF_PUBLIC_URL to the https address.")]
        if only_inside(url):
            return [ok(f"Links lead to {url}, which opens within your network only.")]
        return [ok(f"Links lead to {url}.")]


class BotAnswers:
    """Whether the bot answers at its own address, seen from here."""

    name = "public address"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        url = patient.settings.public_url
        try:
            answer = await patient.get(f"{url}/healthz")
        except Unanswered as error:
            return [
                fail(f"{url} does not answer: {error}.", "Start `signoff serve`; else look at the proxy and at DNS.")
            ]
        if answer.status == 200 and _is_ours(answer):
            return [ok(f"The bot answers at {url}.")]
        return [self._otherwise(url, answer)]

    def _otherwise(self, url: str, answer: Answer) -> Finding:
        if 300 <= answer.status < 400:
            return fail(f"{url} sends one on to {answer.location}.", "Set SIGNOFF_PUBLIC_URL to where it ends up.")
        path = urlsplit(url).path
        if answer.status == 404 and path:
            said = f"{url}/healthz answers 404, so its path {path} is not taken off on the way to the bot."
            return fail(
                said, f"Let the proxy pass {path}/healthz on as /healthz; or leave {path} out of SIGNOFF_PUBLIC_URL."
            )
        if 500 <= answer.status < 600:
            said = f"{url} answers {answer.status}: the proxy does not reach the bot."
            return fail(said, "Start `signoff serve`, and look at where the proxy passes requests on to.")
        said = f"Something else than the bot answers at {url} (with {answer.status})."
        return fail(said, "Set SIGNOFF_PUBLIC_URL to the bot's own address, or correct the proxy.")


class SlackCallsUs:
    """Whether what Slack sends comes in: by Socket Mode, or by requests that the bot answers."""

    name = "slack requests"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        settings = patient.settings
        if settings.slack_app_token is not None or settings.slack_signing_secret is None:
            return []  # told by the check of Socket Mode, or there is no Slack
        url = f"{settings.public_url}{EVENTS_PATH}"
        if settings.slack_api_url is None and (problem := unfit_for_slack(settings.public_url)):
            return [fail(f"Slack cannot call the bot: {problem}", "`signoff manifest --url ...` prints what to paste.")]
        try:
            answer = await patient.get(url, method="POST")
        except Unanswered as error:
            return [fail(f"{url} does not answer: {error}.", "Start `signoff serve`; else look at the proxy.")]
        if answer.status == 401:  # not signed by Slack, so it is refused: that is the bot
            return [ok(f"Slack's requests come in at {url}, and unsigned ones are refused.")]
        said = f"{url} answers {answer.status} to a request that is not signed; the bot would answer 401."
        return [fail(said, "Let the proxy pass this path on, and start `signoff serve` with these settings.")]


class RedirectsFit:
    """Whether Slack and Google will send people back: the addresses are right, and have to be entered there."""

    name = "redirects"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        return list(self._found(patient.settings))

    def _found(self, settings: Settings) -> Iterator[Finding]:
        url = settings.public_url
        if settings.slack_installs:
            paths = f"{url}{INSTALLED_PATH} and {url}{SIGNED_IN_PATH}"
            if problem := unfit_for_slack(url, called=False):
                yield fail(f"Slack will not send people back: {problem}", "Correct SIGNOFF_PUBLIC_URL first.")
            else:
                yield ok(f"Slack has to have {paths} as redirect URLs; `signoff manifest` prints them.")
        if settings.google_client_id:
            back = f"{url}{GMAIL_PATH}"
            if url.startswith("https://") or only_here(url):
                yield ok(f"Google has to have {back} as an authorized redirect URI, letter by letter.")
            else:
                said = f"Google will not send people back to {back}: it is neither https nor on this machine."
                yield fail(said, "Put TLS in front of the bot, and set SIGNOFF_PUBLIC_URL to the https address.")


def _sends_links(settings: Settings) -> bool:
    return settings.gmail or settings.smtp or bool(settings.google_client_id)


def _is_ours(answer: Answer) -> bool:
    try:
        return bool(json.loads(answer.body) == {"status": "alive"})
    except ValueError:
        return False
