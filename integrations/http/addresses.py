"""Which network addresses a flow may reach: pure rules over values.

A flow's author chooses the address that ``http.request`` calls, and inputs may be part of it. So nothing
inside the network that Signoff runs in is reachable unless the operator allows it. The tables are IANA's
special-purpose registries (RFC 6890 and its updates), written out because ``ipaddress.is_global`` of Python
before 3.11.10 gives other answers for several of their blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from flows.errors import ConfigError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PRIVATE = "a private address"
_LOOPBACK = "a loopback address"
_LINK_LOCAL = "a link-local address"
_MULTICAST = "a multicast address"
_UNSPECIFIED = "an unspecified address"
_RESERVED = "a reserved address"
_SHARED = "a shared address behind a carrier's NAT"
_METADATA = "a cloud's metadata address"

_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(block), kind)
    for block, kind in (
        ("0.0.0.0/8", _UNSPECIFIED),
        ("10.0.0.0/8", _PRIVATE),
        ("100.64.0.0/10", _SHARED),
        ("127.0.0.0/8", _LOOPBACK),
        ("169.254.0.0/16", _LINK_LOCAL),
        ("172.16.0.0/12", _PRIVATE),
        ("192.0.0.0/24", _RESERVED),
        ("192.0.2.0/24", _RESERVED),
        ("192.88.99.0/24", _RESERVED),
        ("192.168.0.0/16", _PRIVATE),
        ("198.18.0.0/15", _RESERVED),
        ("198.51.100.0/24", _RESERVED),
        ("203.0.113.0/24", _RESERVED),
        ("224.0.0.0/4", _MULTICAST),
        ("240.0.0.0/4", _RESERVED),
        ("::/128", _UNSPECIFIED),
        ("::1/128", _LOOPBACK),
        ("fc00::/7", _PRIVATE),
        ("fe80::/10", _LINK_LOCAL),
        ("fec0::/10", _PRIVATE),
        ("ff00::/8", _MULTICAST),
        ("2001::/23", _RESERVED),
        ("2001:db8::/32", _RESERVED),
        ("3fff::/20", _RESERVED),
    )
)

# All that has been given out as global unicast; what lies outside is reserved, whatever it may become.
_GLOBAL_IPV6 = IPv6Network("2000::/3")

# Where AWS, GCP, Azure and most others (169.254.169.254), AWS ECS (169.254.170.2, .23), Azure's wire server,
# Alibaba, Oracle and AWS over IPv6 hand credentials to whoever asks. Only naming the address itself opens one.
_METADATA_ADDRESSES: frozenset[Address] = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)

_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)

_LOW_32 = 0xFFFF_FFFF


def meant(address: Address) -> tuple[Address, ...]:
    """Every address at which a packet to ``address`` may end: itself, and the IPv4 address that it embeds.

    An IPv4-mapped or a NAT64 address is nothing but a way of writing the IPv4 address in it, so only that counts.
    """
    if isinstance(address, IPv4Address):
        return (address,)
    number = int(address)
    low = IPv4Address(number & _LOW_32)
    if address in _MAPPED or address in _NAT64:
        return (low,)
    if address in _6TO4:
        return (address, IPv4Address(number >> 80 & _LOW_32))
    if address in _TEREDO:
        return (address, IPv4Address(number & _LOW_32 ^ _LOW_32))
    embeds = (
        address in _NAT64_LOCAL
        or address in _COMPATIBLE
        or address in _TRANSLATED
        or (number >> 32 & _LOW_32) in _ISATAP
    )
    return (address, low) if embeds else (address,)


def literal(host: str) -> Address | None:
    """The address that ``host`` spells in any notation that a C library takes, or None where it is a name.

    So ``127.1``, ``0x7f.1``, ``2130706433``, ``0177.0.0.1`` and ``127.0.0.1.`` are all 127.0.0.1.
    """
    host = host.strip("[]").rstrip(".")
    if ":" in host:
        try:
            return IPv6Address(host)
        except ValueError:
            return None
    parts = [_number(part) for part in host.split(".")]
    if len(parts) > 4:
        return None
    total = 0
    for index, part in enumerate(parts):
        rest = 8 * (4 - index) if index == len(parts) - 1 else 8
        if part is None or part >= 1 << rest:
            return None
        total = total << rest | part
    return IPv4Address(total)


def _number(text: str) -> int | None:
    """A part of an IPv4 address as ``inet_aton`` reads it: 0x is hexadecimal, a leading 0 octal."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]{0,16}", text):
        return int(text[2:] or "0", 16)
    if re.fullmatch(r"0[0-7]{0,20}", text):
        return int(text, 8)
    if re.fullmatch(r"[1-9][0-9]{0,15}", text):
        return int(text)
    return None


def _kind(address: Address) -> str | None:
    """What is special about an address, or None where it is an ordinary public one."""
    for network, kind in _SPECIAL:
        if address in network:
            return kind
    if isinstance(address, IPv6Address) and address not in _GLOBAL_IPV6:
        return _RESERVED
    return None


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What may be reached besides public addresses.

    ``allow_private`` opens everything except the clouds' metadata addresses. ``names`` (lower case, no trailing
    dot) open whatever those hosts resolve to, with the same exception; ``networks`` open their addresses, whoever
    names them.
    """

    allow_private: bool = False
    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, *, allow_private: bool = False, allowed_hosts: Iterable[str] = ()) -> AddressRules:
        """Rules from settings; each of ``allowed_hosts`` is a host name, an address or a CIDR block.

        Raises ``ConfigError`` with one sentence for each entry that is none of them.
        """
        names: set[str] = set()
        networks: list[Network] = []
        problems: list[str] = []
        for entry in sorted(allowed_hosts):
            try:
                networks.append(ip_network(entry, strict=False))
                continue
            except ValueError:
                pass
            name = _name(entry)
            if name is None:
                problems.append(
                    f"The allowed host {entry!r} is neither a host name nor an address nor a block like 10.0.0.0/8; "
                    "write it without scheme, port and path."
                )
            else:
                names.add(name)
        if problems:
            raise ConfigError(problems)
        return cls(allow_private=allow_private, names=frozenset(names), networks=tuple(networks))

    def problem(self, host: str, address: Address) -> str | None:
        """Why ``address``, found under the name ``host``, may not be reached; None where it may."""
        ends = meant(address)
        if any(end in network for end in (address, *ends) for network in self.networks):
            return None
        if not _METADATA_ADDRESSES.isdisjoint((address, *ends)):
            return _METADATA
        if self.allow_private or host.lower().rstrip(".") in self.names:
            return None
        return next((kind for end in ends if (kind := _kind(end))), None)

    def problem_with_host(self, host: str) -> str | None:
        """Why the ``host`` of an address may not be reached, as far as that is known without a lookup.

        Judges the hosts that are addresses themselves, which a connector never shows to its resolver.
        """
        address = literal(host)
        if address is None:
            # Only digits and dots, or with a colon: no name looks like that, yet some libraries take it for an address.
            return "no valid address" if ":" in host or host.replace(".", "").isdigit() else None
        if isinstance(address, IPv4Address) and str(address) != host:
            return "an address in disguise; write it as four decimal numbers"
        if isinstance(address, IPv6Address) and address.scope_id:
            return "an address with a zone"
        return self.problem(host, address)


def _name(entry: str) -> str | None:
    try:
        name = entry.encode("idna").decode("ascii").lower().rstrip(".")
    except UnicodeError:
        return None
    labels = name.split(".")
    fine = all(re.fullmatch(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", label) for label in labels)
    return name if fine and literal(name) is None else None
