"""Somebody at a browser without scripts: opens a page, fills in its form, sends it. For scripted people.

It keeps cookies as a browser does, follows redirects, and refuses to send what the page has no field for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp

from integrations.sandbox.inputs import NotPossible


@dataclass
class _Form:
    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    """The values that may be chosen, of fields that offer some."""


@dataclass(frozen=True)
class Page:
    """A page as it was answered: its address, status, readable text, and its forms."""

    url: str
    status: int
    text: str
    forms: tuple[_Form, ...]

    def shows(self, text: str) -> bool:
        return text in self.text


class Visitor:
    """One person's browser. ``async with`` closes it."""

    def __init__(self) -> None:
        # Unsafe cookies are those of addresses without a name: 127.0.0.1.
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def open(self, url: str) -> Page:
        """Open an address."""
        async with self._session.get(url) as response:
            return await _page(response)

    async def send(self, page: Page, values: Mapping[str, str]) -> Page:
        """Fill in the page's form and send it. Raises ``NotPossible`` for what the form does not offer."""
        if not page.forms:
            raise NotPossible("the page has no form")
        form = page.forms[0]
        for name, value in values.items():
            if name not in form.values and name not in form.choices:
                raise NotPossible(f"the form has no field {name!r}; it has {sorted({*form.values, *form.choices})}")
            if form.choices.get(name) and value not in form.choices[name]:
                raise NotPossible(f"{name!r} offers {form.choices[name]}, not {value!r}")
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        async with self._session.request(
            form.method, urljoin(page.url, form.action), data={**form.values, **values}, headers={"Origin": origin}
        ) as response:
            return await _page(response)


async def _page(response: aiohttp.ClientResponse) -> Page:
    parser = _Reader(str(response.url))
    parser.feed(await response.text())
    text = " ".join("".join(parser.text).split())
    return Page(str(response.url), response.status, text, tuple(parser.forms))


class _Reader(HTMLParser):
    """The readable text and the forms of a page, with what stands in them."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.forms: list[_Form] = []
        self._url = url
        self._silent = 0
        self._area: str | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.forms.append(_Form(given.get("action") or self._url, given.get("method", "get").upper()))
        elif tag in ("script", "style"):
            self._silent += 1
        elif not self.forms or (not name and tag != "option"):
            self.text.append(" ")
        elif tag == "input":
            self._input(self.forms[-1], name, given)
        elif tag == "button":
            self.forms[-1].choices.setdefault(name, []).append(given.get("value", ""))
        elif tag == "textarea":
            self._area = name
            self.forms[-1].values[name] = ""
        elif tag == "select":
            self._select = name
            self.forms[-1].choices[name] = []
        elif tag == "option" and self._select is not None:
            value = given.get("value", "")
            self.forms[-1].choices[self._select].append(value)
            if "selected" in given or self._select not in self.forms[-1].values:
                self.forms[-1].values[self._select] = value

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent -= 1
        elif tag == "textarea" and self._area is not None:
            # The first line's end after the tag belongs to the tag, as HTML has it.
            self.forms[-1].values[self._area] = self.forms[-1].values[self._area].removeprefix("\n")
            self._area = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.forms[-1].values[self._area] += data
        elif not self._silent:
            self.text.append(data)

    @staticmethod
    def _input(form: _Form, name: str, given: Mapping[str, str]) -> None:
        if given.get("type") in ("radio", "checkbox"):
            form.choices.setdefault(name, []).append(given.get("value", "on"))
            if "checked" in given:
                form.values[name] = given.get("value", "on")
        else:
            form.values[name] = given.get("value", "")
