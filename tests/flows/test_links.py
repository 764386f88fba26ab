"""Signed links: what is ours and for this is let in; everything else is refused alike."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.errors import LinkExpired, LinkInvalid
from flows.links import Keyring, Link, Purpose, derive

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
LINK = Link(Purpose.PAGE, run=7, n=1, person=3, generation=1, expires_at=NOW + timedelta(days=1))
UNHURRIED = settings(deadline=None)  # on a busy machine nothing is quick
KEYS = Keyring(["new", "old"])


def test_a_link_says_what_was_signed():
    assert KEYS.verify(KEYS.sign(LINK), Purpose.PAGE, now=NOW) == LINK


def test_a_link_is_84_letters_that_need_no_escaping_in_an_address():
    text = KEYS.sign(LINK)

    assert len(text) == 84
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "other", [{"run": 8}, {"n": 2}, {"person": 4}, {"generation": 2}, {"expires_at": NOW + timedelta(days=2)}]
)
def test_S1_a_link_for_one_thing_is_none_for_another(other):
    theirs = KEYS.sign(replace(LINK, **other))
    body, mac = base64.urlsafe_b64decode(theirs)[:38], base64.urlsafe_b64decode(KEYS.sign(LINK))[38:]

    with pytest.raises(LinkInvalid):
        KEYS.verify(base64.urlsafe_b64encode(body + mac).decode(), Purpose.PAGE, now=NOW)


def test_S1_a_link_for_one_purpose_is_refused_for_another():
    with pytest.raises(LinkInvalid):
        KEYS.verify(KEYS.sign(LINK), Purpose.FORM, now=NOW)


PURPOSES = [Purpose.PAGE, Purpose.RESUME, Purpose.CANCEL, Purpose.PRE]


@pytest.mark.parametrize("made_for", PURPOSES)
@pytest.mark.parametrize("used_for", [*PURPOSES, Purpose.FORM])
def test_S1_each_purpose_takes_its_own_links_and_no_other(made_for, used_for):
    text = KEYS.sign(replace(LINK, purpose=made_for))

    if used_for is made_for:
        assert KEYS.verify(text, used_for, now=NOW).purpose is made_for
    else:
        with pytest.raises(LinkInvalid):
            KEYS.verify(text, used_for, now=NOW)


def test_S1_what_a_link_is_about_is_signed_and_has_to_be_said_again():
    text = KEYS.sign(replace(LINK, purpose=Purpose.PRE, n=0, about="deploy.ask"))

    assert KEYS.verify(text, Purpose.PRE, now=NOW, about="deploy.ask").about == "deploy.ask"
    assert len(text) == 84
    for other in ("", "deploy", "deploy.as", "deploy.ask2", "deploy.ask\ud800"):
        with pytest.raises(LinkInvalid):
            KEYS.verify(text, Purpose.PRE, now=NOW, about=other)
    with pytest.raises(LinkInvalid):
        KEYS.verify(KEYS.sign(replace(LINK, purpose=Purpose.PRE)), Purpose.PRE, now=NOW, about="deploy.ask")


@UNHURRIED
@given(st.integers(0, 83), st.sampled_from("ABab01-_"))
def test_S1_no_letter_of_a_link_can_be_changed(place, letter):
    text = KEYS.sign(LINK)
    forged = text[:place] + letter + text[place + 1 :]
    if forged == text:
        return

    with pytest.raises(LinkInvalid):
        KEYS.verify(forged, Purpose.PAGE, now=NOW)


@UNHURRIED
@given(st.text(max_size=100))
def test_S1_what_is_no_link_at_all_is_refused_alike(text):
    with pytest.raises(LinkInvalid) as refusal:
        KEYS.verify(text, Purpose.PAGE, now=NOW)

    assert str(refusal.value) == str(_refusal_of(KEYS.sign(LINK)[:-4]))


@pytest.mark.parametrize("cut", [1, 4, 40, 83])
def test_S1_a_truncated_link_is_refused(cut):
    with pytest.raises(LinkInvalid):
        KEYS.verify(KEYS.sign(LINK)[:-cut], Purpose.PAGE, now=NOW)


@pytest.mark.parametrize("addition", ["A", "AAAA", "\n", "=", " "])
def test_S1_a_link_with_something_behind_it_is_refused(addition):
    with pytest.raises(LinkInvalid):
        KEYS.verify(KEYS.sign(LINK) + addition, Purpose.PAGE, now=NOW)


def test_S1_an_expired_link_is_refused_in_the_same_words():
    text = KEYS.sign(LINK)
    KEYS.verify(text, Purpose.PAGE, now=LINK.expires_at - timedelta(milliseconds=1))

    with pytest.raises(LinkExpired) as refusal:
        KEYS.verify(text, Purpose.PAGE, now=LINK.expires_at)
    assert str(refusal.value) == str(_refusal_of("x"))


def test_a_forged_link_that_has_expired_does_not_pass_for_a_genuine_one():
    forged = Keyring(["theirs"]).sign(replace(LINK, expires_at=NOW - timedelta(days=1)))

    with pytest.raises(LinkInvalid):
        KEYS.verify(forged, Purpose.PAGE, now=NOW)


def test_S1_a_link_signed_with_another_key_is_refused():
    with pytest.raises(LinkInvalid):
        KEYS.verify(Keyring(["theirs"]).sign(LINK), Purpose.PAGE, now=NOW)


def test_keys_are_rotated_the_first_signs_and_all_verify():
    by_old, by_new = Keyring(["old"]).sign(LINK), KEYS.sign(LINK)

    assert KEYS.verify(by_old, Purpose.PAGE, now=NOW) == LINK
    assert Keyring(["new"]).verify(by_new, Purpose.PAGE, now=NOW) == LINK
    with pytest.raises(LinkInvalid):
        Keyring(["new"]).verify(by_old, Purpose.PAGE, now=NOW)


def test_one_secret_gives_a_key_of_its_own_for_each_purpose():
    assert derive("secret", "links") != derive("secret", "secrets")
    assert derive("secret", "links") != derive("Secret", "links")
    assert len(derive("secret", "links")) == 32


def test_a_keyring_without_a_key_is_refused():
    with pytest.raises(ValueError, match="needs a key"):
        Keyring([])


def test_a_form_is_bound_to_what_its_page_showed():
    bound = KEYS.bind(Purpose.FORM, b"digest", b"link")

    assert KEYS.is_bound(bound, Purpose.FORM, b"digest", b"link")
    assert Keyring(["other", "new"]).is_bound(bound, Purpose.FORM, b"digest", b"link")
    for purpose, parts in [
        (Purpose.PAGE, (b"digest", b"link")),
        (Purpose.FORM, (b"digest", b"knil")),
        (Purpose.FORM, (b"diges", b"tlink")),
        (Purpose.FORM, (b"digestlink",)),
    ]:
        assert not KEYS.is_bound(bound, purpose, *parts)
    assert not Keyring(["old"]).is_bound(bound, Purpose.FORM, b"digest", b"link")
    assert not KEYS.is_bound("\ud800", Purpose.FORM, b"digest", b"link")


def _refusal_of(text: str) -> Exception:
    with pytest.raises(LinkInvalid) as refusal:
        KEYS.verify(text, Purpose.PAGE, now=NOW)
    return refusal.value
