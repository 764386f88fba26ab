"""Pages as HTML: the templates, and where the pages begin for a browser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.web.errors import Answer


def policy(*, forms_to: str = "") -> str:
    """The Content-Security-Policy of a page: nothing but our own style, and forms that come back to us, or also go to
    ``forms_to``."""
    targets = f"'self' {forms_to}".rstrip()
    return f"default-src 'none'; style-src 'self'; form-action {targets}; frame-ancestors 'none'; base-uri 'none'"


class Drawing:
    """Draws pages. ``root`` is where they begin: a proxy may serve them below a path of its own."""

    def __init__(self, public_url: str) -> None:
        self.root = urlsplit(public_url).path.rstrip("/")
        self._templates = _templates()

    def page(self, template: str, *, answer: Answer | None = None, status: int = 200, **values: object) -> web.Response:
        """A page; ``answer`` is the error that it tells of, if it does."""
        text = self._templates.get_template(template).render(root=self.root, **values)
        response = web.Response(text=text, status=answer.status if answer else status, content_type="text/html")
        if answer is not None and answer.retry_after is not None:
            response.headers["Retry-After"] = str(int(answer.retry_after.total_seconds()))
        return response

    def message(
        self, title: str, sentences: Sequence[str], *, answer: Answer | None = None, status: int = 200
    ) -> web.Response:
        """A page that says something, and nothing else."""
        return self.page("message.html", answer=answer, status=status, title=title, sentences=sentences, commands=())


@cache
def _templates() -> Environment:
    """One for all pages: a template is compiled the first time that it is drawn."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
