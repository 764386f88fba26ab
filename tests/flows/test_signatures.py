"""Who may call a webhook: the two ways to sign, and everything that is not signed."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from multidict import CIMultiDict

from flows.signatures import TOLERANCE, HookKeys, NotGenuine, Scheme, claimed, signature

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
KEYS = HookKeys(["the first key, long enough for tests", "the second key, long enough as well"])
OLD = HookKeys(["the second key, long enough as well"])
BODY = b'{"ref": "main"}'


def verify(headers: dict[str, str], body: bytes = BODY, *, keys: HookKeys = KEYS, now: datetime = NOW) -> str:
    return keys.verify("deploy", "pushed", claimed(CIMultiDict(headers), now), body)


def ours(
    body: bytes = BODY, *, keys: HookKeys = KEYS, at: datetime = NOW, delivery: str | None = None
) -> dict[str, str]:
    signed = signature(keys.secret("deploy", "pushed"), body, at, delivery)
    return {"X-Signoff-Signature": signed} | ({"X-Signoff-Delivery": delivery} if delivery is not None else {})


def githubs(body: bytes = BODY, *, delivery: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958") -> dict[str, str]:
    secret = KEYS.secret("deploy", "pushed", Scheme.GITHUB)
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={made}", "X-GitHub-Delivery": delivery}


def test_what_the_documentation_says_is_what_is_signed():
    secret = KEYS.secret("deploy", "pushed")
    made = hmac.new(secret.encode(), b"1767603600." + BODY, hashlib.sha256).hexdigest()
    named = hmac.new(secret.encode(), b"1767603600,7f3a." + BODY, hashlib.sha256).hexdigest()

    assert verify({"x-signoff-signature": f"t=1767603600,v1={made}"})
    assert verify({"X-Signoff-Signature": f"v1={named}, t=1767603600", "X-Signoff-Delivery": "7f3a"}) == "signoff:7f3a"


def test_a_secret_belongs_to_one_flow_one_webhook_one_way_of_signing_and_one_key():
    secrets = [
        KEYS.secret("deploy", "pushed"),
        KEYS.secret("deploy", "pushed", Scheme.GITHUB),
        KEYS.secret("deploy", "tagged"),
        KEYS.secret("release", "pushed"),
        OLD.secret("deploy", "pushed"),
    ]

    assert len(set(secrets)) == 5
    assert all(secret.startswith("whs_") and len(secret) == 47 for secret in secrets)
    assert KEYS.secret("deploy", "pushed") == secrets[0]


def test_an_older_key_still_verifies_and_names_the_delivery_alike():
    assert verify(ours(keys=OLD)) == verify(ours())
    with pytest.raises(NotGenuine):
        verify(ours(), keys=OLD)


def test_a_sender_that_changes_its_secret_may_sign_with_both():
    new, old = ours()["X-Signoff-Signature"], ours(keys=OLD)["X-Signoff-Signature"]
    other = HookKeys(["a third key that nobody here knows about"])
    unknown = ours(keys=other)["X-Signoff-Signature"]

    both = {"X-Signoff-Signature": f"{unknown},{old.partition(',')[2]}"}

    assert verify(both, keys=OLD) == verify({"X-Signoff-Signature": new})


def test_the_same_request_again_has_the_same_key_and_another_has_another():
    later = NOW + timedelta(seconds=30)

    assert verify(ours()) == verify(ours(), now=later)
    assert len({verify(ours()), verify(ours(at=later)), verify(ours(b"{}"), b"{}"), verify(githubs())}) == 4


def test_a_delivery_that_is_signed_again_later_has_the_same_key():
    later = NOW + timedelta(hours=2)

    assert verify(ours(delivery="a-1")) == verify(ours(delivery="a-1", at=later), now=later) == "signoff:a-1"


@pytest.mark.parametrize("away", [TOLERANCE, -TOLERANCE])
def test_s2_five_minutes_are_near_enough_and_six_are_not(away):
    headers = ours(at=NOW + away)
    further = ours(at=NOW + away + (timedelta(seconds=1) if away > timedelta(0) else timedelta(seconds=-1)))

    assert verify(headers)
    with pytest.raises(NotGenuine, match="five minutes"):
        verify(further)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Signoff-Signature": ""},
        {"X-Signoff-Signature": "t=1767603600"},
        {"X-Signoff-Signature": f"v1={'0' * 64}"},
        {"X-Signoff-Signature": f"t=1767603600,v1={'0' * 64}"},
        {"X-Signoff-Signature": f"t=1767603600,v1={'0' * 63}"},
        {"X-Signoff-Signature": f"t=1767603600,v1={'0' * 63}é"},
        {"X-Signoff-Signature": f"t=1767603600,t=1767603600,v1={'0' * 64}"},
        {"X-Signoff-Signature": f"t=-1767603600,v1={'0' * 64}"},
        {"X-Signoff-Signature": f"t={'9' * 13},v1={'0' * 64}"},
        {"X-Signoff-Signature": f"t=1767603600,{','.join(['v1=' + '0' * 64] * 6)}"},
        {"X-Signoff-Signature": f"t=1767603600,v0={'0' * 64}"},
        {"X-Hub-Signature-256": f"sha256={'0' * 64}", "X-GitHub-Delivery": "a"},
        {"X-Hub-Signature-256": f"sha1={'0' * 40}", "X-GitHub-Delivery": "a"},
        {"X-Hub-Signature-256": "sha256=", "X-GitHub-Delivery": "a"},
    ],
)
def test_s1_what_is_not_signed_is_refused(headers):
    with pytest.raises(NotGenuine):
        verify(headers)


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, BODY + b" "),
        ({}, b""),
        ({"X-Signoff-Delivery": "a-2"}, BODY),
        ({"X-Signoff-Delivery": ""}, BODY),
        ({"X-Signoff-Delivery": "a.1"}, BODY),
        ({"X-Signoff-Delivery": "a" * 101}, BODY),
    ],
)
def test_s1_nothing_that_was_signed_can_be_changed(change, body):
    with pytest.raises(NotGenuine):
        verify(ours(delivery="a-1") | change, body)


def test_s1_a_delivery_cannot_be_dropped_and_passed_off_as_a_part_of_the_body():
    headers = ours(delivery="a-1")
    del headers["X-Signoff-Delivery"]

    for body in (BODY, b"a-1." + BODY, b",a-1." + BODY):
        with pytest.raises(NotGenuine):
            verify(headers, body)


def test_s1_what_was_signed_in_our_way_is_not_signed_in_githubs():
    signed = ours()["X-Signoff-Signature"].rpartition("v1=")[2]

    with pytest.raises(NotGenuine):
        verify({"X-Hub-Signature-256": f"sha256={signed}", "X-GitHub-Delivery": "a"}, b"1767603600." + BODY)


def test_githubs_way_takes_a_delivery_id():
    headers = githubs()
    without = {"X-Hub-Signature-256": headers["X-Hub-Signature-256"]}

    assert verify(headers) == "github:72d3162e-cc78-11e3-81ab-4c9367dc0958"
    assert verify(githubs(delivery="other")) == "github:other"
    with pytest.raises(NotGenuine, match="X-GitHub-Delivery"):
        verify(without)


def test_a_delivery_of_ours_is_not_one_of_githubs():
    assert verify(ours(delivery="x")) != verify(githubs(delivery="x"))


def test_webhooks_without_a_key_are_refused_when_they_are_made():
    with pytest.raises(ValueError, match="need a key"):
        HookKeys([])
