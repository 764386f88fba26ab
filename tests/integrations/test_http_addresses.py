"""The rules about addresses, without any network."""

from ipaddress import ip_address

import pytest

from flows.errors import ConfigError
from integrations.http.addresses import AddressRules, literal

REFUSED = [
    "0.0.0.0",  # noqa: S104 - nothing listens there
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.0.1",
    "169.254.1.1",
    "169.254.169.254",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2a00:1450::5efe:10.0.0.1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]

ALLOWED = [
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.88.98.1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2606:2800:220:1:248:1893:25c8:1946",
    "2a00:1450:4001:82b::200e",
]


@pytest.mark.parametrize("text", REFUSED)
def test_S8_an_address_that_is_not_public_is_refused(text: str) -> None:
    assert AddressRules().problem("example.com", ip_address(text)) is not None


@pytest.mark.parametrize("text", ALLOWED)
def test_S8_a_public_address_is_allowed(text: str) -> None:
    assert AddressRules().problem("example.com", ip_address(text)) is None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0X7F.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "[::ffff:127.0.0.1]",
        "::ffff:127.0.0.1",
        "::1",
        "fe80::1%eth0",
        "999.1.1.1",
        "08.1.1.1",
        "1.2.3.4.5",
    ],
)
def test_S8_no_spelling_of_an_address_gets_around_the_rules(host: str) -> None:
    assert AddressRules().problem_with_host(host) is not None


def test_a_disguised_address_is_refused_even_where_private_ones_are_allowed() -> None:
    rules = AddressRules.parse(allow_private=True)

    assert rules.problem_with_host("127.0.0.1") is None
    assert rules.problem_with_host("2130706433") is not None


@pytest.mark.parametrize("host", ["example.com", "example.com.", "xn--bcher-kva.example", "face.b00c", "a.1.2.3.4"])
def test_a_name_is_left_to_the_resolver(host: str) -> None:
    assert literal(host) is None
    assert AddressRules().problem_with_host(host) is None


def test_a_block_opens_its_addresses_and_what_embeds_them() -> None:
    rules = AddressRules.parse(allowed_hosts=frozenset({"10.1.0.0/16"}))

    assert rules.problem("a.example", ip_address("10.1.2.3")) is None
    assert rules.problem("a.example", ip_address("::ffff:10.1.2.3")) is None
    assert rules.problem("a.example", ip_address("10.2.0.1")) == "a private address"


def test_a_name_opens_what_it_resolves_to_and_no_other_name_does() -> None:
    rules = AddressRules.parse(allowed_hosts=frozenset({"Intranet.Example."}))

    assert rules.problem("intranet.example", ip_address("10.0.0.1")) is None
    assert rules.problem("INTRANET.example.", ip_address("10.0.0.1")) is None
    assert rules.problem("evil.intranet.example", ip_address("10.0.0.1")) == "a private address"


def test_a_metadata_address_opens_only_when_it_is_named_itself() -> None:
    metadata = ip_address("169.254.169.254")

    for rules in (
        AddressRules.parse(allow_private=True),
        AddressRules.parse(allowed_hosts=frozenset({"metadata.example"})),
    ):
        assert rules.problem("metadata.example", metadata) == "a cloud's metadata address"
        assert rules.problem("metadata.example", ip_address("::ffff:169.254.169.254")) == "a cloud's metadata address"
    named = AddressRules.parse(allowed_hosts=frozenset({"169.254.169.254"}))
    assert named.problem("metadata.example", metadata) is None


def test_every_senseless_allowed_host_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        AddressRules.parse(allowed_hosts=frozenset({"https://a.example", "10.0.0.0/99", "127.1", "fine.example"}))

    assert len(caught.value.problems) == 3
