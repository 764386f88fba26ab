"""One request of an exchange, and the one that a redirect makes of it: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from yarl import URL

from flows.errors import ActionError

REDIRECTS = frozenset({301, 302, 303, 307, 308})

# What another origin may learn. An allow-list, because nobody can list the names under which keys travel.
_HARMLESS = frozenset({"accept", "accept-language", "content-type", "idempotency-key", "user-agent"})


@dataclass(frozen=True, slots=True)
class Hop:
    """What is sent to one place. ``url`` holds no user info; names of ``headers`` are lower case."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None


def place(url: URL) -> str:
    """The address as errors may show it: no user info, no query, no fragment."""
    try:
        port = "" if url.port is None or url.is_default_port() else f":{url.port}"
    except ValueError:
        port = ""
    host = f"[{url.raw_host}]" if url.raw_host and ":" in url.raw_host else url.raw_host or ""
    return f"{url.scheme}://{host}{port}{url.raw_path}"


def parse(text: str, base: URL | None = None) -> URL:
    """The http or https address that ``text`` names, resolved against ``base``. Raises ``ValueError`` without a text."""
    try:
        url = URL(text) if base is None else base.join(URL(text))
        usable = url.scheme in {"http", "https"} and bool(url.raw_host) and url.port is not None
    except (ValueError, TypeError):
        usable = False
    if not usable:
        # The text may hold a password or a key, and yarl's own error would repeat it.
        raise ValueError from None
    return url


def next_hop(hop: Hop, status: int, location: str) -> Hop:
    """The request that follows ``hop`` after a redirect to ``location``, as browsers do it.

    303, and 301 or 302 after a POST, ask with GET and without the body. To another origin go only harmless
    headers, and no body. Raises ``ActionError`` where the redirect leads out of https, would take the body to
    another origin, or is no address.
    """
    try:
        url = parse(location, hop.url)
    except ValueError:
        raise ActionError(
            f"{place(hop.url)} redirects to something that is no http or https address."
        ) from None  # yarl's own error repeats the text, which may hold a key
    # Credentials that the remote side puts into an address are not ours to send.
    url = url.with_user(None).with_fragment(None)
    if hop.url.scheme == "https" and url.scheme == "http":
        raise ActionError(f"{place(hop.url)} redirects from https to http, which is refused.")
    headers = hop.headers
    if url.origin() != hop.url.origin():
        headers = {name: value for name, value in headers.items() if name in _HARMLESS}
    moved = replace(hop, url=url, headers=headers)
    if (status == 303 and hop.method != "HEAD") or (status in {301, 302} and hop.method == "POST"):
        headers = {name: value for name, value in headers.items() if name != "content-type"}
        moved = replace(moved, method="GET", headers=headers, body=None)
    if moved.body is not None and url.origin() != hop.url.origin():
        raise ActionError(
            f"{place(hop.url)} redirects to {place(url.origin())}, which must not learn the body; "
            "name the address that is meant in the flow."
        )
    return moved
