"""Name lookups whose every answer is checked before anybody connects to it.

aiohttp's connector connects to the addresses that its resolver returns, and asks again for each new connection.
Checking inside the resolver therefore checks the very address that is connected to: a name that answers with a
public address first and a private one a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

from integrations.http.addresses import AddressRules


class AddressRefused(Exception):
    """The rules do not allow an address; ``str()`` says what kind of address it is, and not which.

    Not an ``OSError``: the connector would report it as a failed lookup, which is worth trying again.
    """


class CheckedResolver(AbstractResolver):
    """Asks ``source``, and passes its answer on only if ``rules`` allow every address in it."""

    def __init__(self, rules: AddressRules, source: AbstractResolver) -> None:
        self._rules = rules
        self._source = source

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of ``host``. Raises ``AddressRefused``, or ``OSError`` where the lookup fails."""
        found = await self._source.resolve(host, port, family)
        for result in found:
            problem = self._rules.problem(host, ip_address(result["host"]))
            if problem is not None:
                raise AddressRefused(problem)
        return found

    async def close(self) -> None:
        await self._source.close()
