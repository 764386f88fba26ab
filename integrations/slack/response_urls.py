"""Which ``response_url`` is called. It comes with a request, so only Slack's own addresses are."""

from __future__ import annotations

from yarl import URL

_HOOKS = URL("https://hooks.slack.com")


def checked(response_url: str, base_url: URL) -> URL | None:
    """The address to call, or None where it is none of Slack's.

    Slack's are https://hooks.slack.com, the origin of ``base_url`` (stand-ins answer there) and, over https, ``hooks.``
    before its host (Slack for governments has another domain).
    """
    try:
        url = URL(response_url)
        origin = url.origin()
    except ValueError:
        return None
    home = base_url.origin()
    allowed = {_HOOKS, home, URL.build(scheme="https", host=f"hooks.{home.host}")}
    # The userinfo is refused rather than dropped: no genuine address has one.
    return url if origin in allowed and url.user is None and url.password is None else None
