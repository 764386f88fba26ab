"""Where mail is handed in: a value."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Tls = Literal["starttls", "tls", "none"]
"""``tls`` from the first byte (port 465), ``starttls`` before anything that matters (587), or not at all (25)."""

PORTS: Mapping[Tls, int] = {"starttls": 587, "tls": 465, "none": 25}

TIMEOUT = 30.0
"""Seconds for each command and its answer; a mail of ours is small."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in. ``port`` None is the usual one. ``trust`` replaces whom certificates are believed from."""

    host: str
    port: int | None = None
    tls: Tls = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = TIMEOUT
    trust: ssl.SSLContext | None = field(default=None, repr=False)
