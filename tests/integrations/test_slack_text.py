"""Text for Slack: inert and within limits."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from integrations.slack.text import clip, escape, mention


def test_S6_text_from_people_cannot_mention_link_or_ping() -> None:
    assert escape("<!channel> & <http://evil|safe>") == "&lt;!channel&gt; &amp; &lt;http://evil|safe&gt;"


def test_an_escaped_ampersand_is_escaped_again_and_so_shows_as_it_was_written() -> None:
    assert escape("&lt;!here&gt;") == "&amp;lt;!here&amp;gt;"


def test_a_text_that_fits_is_left_alone() -> None:
    assert clip("x" * 3000, 3000) == "x" * 3000


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("x" * 3001, 3000, "x" * 2999 + "…"),
        ("one two three", 9, "one two…"),
        ("ab&amp;cd", 5, "ab…"),
        ("ab&amp;cd", 8, "ab&amp;…"),
        ("ab<@U024BE7LH> and more", 9, "ab…"),
        ("ab <https://example.com/a|b c> and more", 20, "ab…"),
        ("tom & jerry & co", 8, "tom & j…"),
        ("1 < 2 and 2 < 3", 8, "1 < 2 a…"),
        ("😀😀😀", 2, "😀…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_a_cut_text_ends_with_an_ellipsis_and_never_inside_an_entity_a_mention_or_a_link(
    text: str, limit: int, cut: str
) -> None:
    assert clip(text, limit) == cut


@given(st.text(alphabet="&<>a ;😀", max_size=30), st.integers(min_value=1, max_value=40))
@example("&&&&", 7)
@settings(max_examples=200, deadline=None)
def test_a_cut_of_an_escaped_text_is_within_the_limit_and_reads_as_its_beginning(text: str, limit: int) -> None:
    shown = clip(escape(text), limit)

    assert len(shown) <= limit
    read = shown.removesuffix("…").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert text.startswith(read)


def test_a_mention_takes_a_user_id_with_or_without_its_team() -> None:
    assert mention("U024BE7LH") == mention("T0001/U024BE7LH") == "<@U024BE7LH>"


@pytest.mark.parametrize("bad", ["", "ann", "!channel", "U1> <!here", "C024BE7LH", "@U024BE7LH", "U024BE7LH\n"])
def test_S6_a_mention_is_made_of_nothing_else(bad: str) -> None:
    with pytest.raises(ValueError, match="is no Slack user id"):
        mention(bad)
