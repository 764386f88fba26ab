"""Whether Slack, Google and people can reach an address, as far as the address itself says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

_HERE_ONLY = ("localhost", "localhost.localdomain", "ip6-localhost")
_INSIDE = (".localhost", ".local", ".localdomain", ".internal", ".intranet", ".lan", ".home.arpa", ".corp", ".home")
"""Ends of names that mean something only within a house (RFC 6761, RFC 6762, RFC 8375), or only by custom."""


def only_here(url: str) -> bool:
    """Whether it opens on the machine that the bot runs on, and on no other."""
    host = _host(url)
    address = _address(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    return host in _HERE_ONLY or host.endswith(".localhost")


def only_inside(url: str) -> bool:
    """Whether it opens at most within one network: a private address, or a name that no public server knows."""
    host = _host(url)
    address = _address(host)
    if address is not None:
        return not address.is_global
    return only_here(url) or "." not in host or host.endswith(_INSIDE)


def unfit_for_slack(url: str, *, called: bool = True) -> str | None:
    """Why Slack will not take it, in a sentence that says what to do; None where nothing speaks against it.

    ``called``: Slack itself has to reach it; else only the browsers that Slack sends there.
    """
    if only_here(url):
        return f"{url} opens on this machine only; give the address that others reach the bot at, or use Socket Mode."
    if not url.startswith("https://"):
        return f"{url} is not https, and Slack takes nothing else; put TLS in front of the bot."
    if called and only_inside(url):
        return f"{url} opens within your network only; give an address that Slack reaches, or use Socket Mode."
    return None


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".").lower()


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
