"""Logs: lines for people at a terminal, JSON for machines; of Signoff and of the libraries under it alike."""

from __future__ import annotations

import logging
import sys

import structlog

_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


def _console() -> structlog.dev.ConsoleRenderer:
    # Structlog's own choice of formatter prints the variables of each frame, and some hold secrets and links.
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


def configure(*, level: int = logging.INFO, machine: bool | None = None) -> None:
    """Send everything to stderr. ``machine``: as JSON; by default wherever nobody is watching."""
    as_json = not sys.stderr.isatty() if machine is None else machine
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer() if as_json else _console()
    rendering = [structlog.processors.format_exc_info, renderer] if as_json else [renderer]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # They tell of each request at INFO, and addresses hold links.
    for noisy in ("aiohttp", "slack_bolt", "slack_sdk", "googleapiclient", "google", "aiosqlite", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
