"""The action log."""

import structlog
from structlog.testing import CapturingLogger

from flows.ports import ActionCall
from integrations.http.log import Log, LogParams


async def test_log_writes_one_line_and_returns_the_message() -> None:
    lines = CapturingLogger()
    logger = structlog.wrap_logger(lines, processors=[structlog.processors.JSONRenderer(sort_keys=True)])
    params = LogParams(message="done\n{forged}", level="warning", fields={"event": "x", "n": 1})

    output = await Log(logger).perform(ActionCall(key="run_1/tell/1/effect"), params)

    assert output == {"message": "done\n{forged}"}
    line = (
        '{"event": "flow_logged", "fields": {"event": "x", "n": 1}, '
        '"key": "run_1/tell/1/effect", "message": "done\\n{forged}"}'
    )
    assert [(call.method_name, call.args) for call in lines.calls] == [("warning", (line,))]
