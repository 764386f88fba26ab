"""Between the core and httpx: requests and replies, and what it means that none came."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from signoff.client.calls import Reply, Send
from signoff.client.errors import Unreachable

TIMEOUT = httpx2.Timeout(30, connect=10)


class Server:
    """The address of a server, and what goes with each request to it.

    Redirects are not followed: they would take the token along.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "signoff"}

    def request(self, send: Send) -> httpx2.Request:
        """The request as httpx sends it. ``Accept-Encoding`` is left out: answers are small, and read as they come."""
        url = httpx2.URL(f"{self.url}/{send.path}", params=dict(send.query) or None)
        headers = {**self.headers, **send.headers}
        return httpx2.Request(
            send.method, url, headers=headers, content=send.content, extensions={"timeout": TIMEOUT.as_dict()}
        )

    def reply(self, response: httpx2.Response) -> Reply:
        return Reply(
            self.url,
            response.status_code,
            response.reason_phrase,
            response.content,
            response.headers.get("Location"),
        )

    @contextmanager
    def answering(self, send: Send) -> Iterator[None]:
        """Raises ``Unreachable`` for whatever httpx raises where no answer came."""
        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            if _untrusted(error):
                raise Unreachable(f"{self.url} has no certificate that this machine trusts.", sent=False) from None
            raise Unreachable(f"Signoff cannot be reached at {self.url}.", sent=False) from None
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise Unreachable(f"{self.url} is no address of a server.", sent=False) from None
        except (httpx2.RequestError, OSError):
            # A connection was there, so a request may have been carried out before it broke.
            maybe = "" if send.method == "GET" else " It is not known whether that was done; look before you repeat it."
            raise Unreachable(f"{self.url} did not answer.{maybe}", sent=True) from None


def _untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
