"""The action ``log``: a line in the bot's own log, and the message as output."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from flows.ports import ActionCall, Json


class LogParams(BaseModel):
    """``with`` of ``log``: any JSON as ``message``; ``fields`` go along as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    message: Json = Field(repr=False)
    level: Literal["debug", "info", "warning", "error"] = "info"
    fields: dict[str, Json] = Field(default_factory=dict, repr=False)


class Log:
    """Performs ``log``. ``logger`` is what structlog gives by default; secrets are masked before they come here."""

    name: ClassVar[str] = "log"
    params: ClassVar[type[BaseModel]] = LogParams

    def __init__(self, logger: Any = None) -> None:
        # structlog types its loggers as Any: what they are depends on how the bot configures it.
        self._logger: Any = logger if logger is not None else structlog.get_logger("signoff.log")

    async def perform(self, call: ActionCall, params: LogParams) -> Json:
        """Writes one line and returns ``{"message": ...}``."""
        # The texts travel as values, never as the line itself: renderers quote values, so no text can
        # forge a second line.
        extra = {"fields": params.fields} if params.fields else {}
        getattr(self._logger, params.level)("flow_logged", message=params.message, key=call.key, **extra)
        return {"message": params.message}
