"""What the documentation says is tried out here: its tables are made again, its flows loaded, its code run."""

from __future__ import annotations

import inspect
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from pydantic import BaseModel
from pydantic_settings import BaseSettings
from ruamel.yaml import YAML

from bot import tokens
from bot.app import DRAIN
from bot.cli import WRONG
from bot.cli import app as commands
from bot.links import PageLinks
from bot.performers import builtin_actions
from bot.settings import Settings
from bot.slack.commands import COMMAND
from bot.web import callbacks
from bot.web.api import Api
from bot.web.errors import ANSWERS
from bot.web.hooks import Hooks
from bot.web.server import web_app
from docs import make
from flows.checks import names
from flows.context import Approver
from flows.definition import (
    Approval,
    Callback,
    Choice,
    Concurrency,
    ErrorHandler,
    Escalation,
    Flow,
    FlowTrigger,
    Hold,
    Range,
    RejectHandler,
    Reminders,
    Repeat,
    Retry,
    ScheduleTrigger,
    Step,
    TimeoutHandler,
    WebhookTrigger,
    WorkingHours,
)
from flows.expressions import Expression, ExpressionError, Template
from flows.filters import FILTERS, TESTS
from flows.functions import FROM_CONTEXT
from flows.links import Keyring
from flows.loader import load_file, load_folder
from flows.rules import All, AnyOf, AtLeast
from flows.run import Door, Outcome, Run
from flows.testing import FlowTest
from flows.testing.clock import MONDAY
from tests.docs.pages import BLOCK, DOCS, PAGES, ROOT, beside, blocks, flow_of, of, one

OPERATING = (DOCS / "operating.md").read_text()

SHUTDOWN = 60
"""Seconds that aiohttp's runner gives open requests (``shutdown_timeout``)."""

# -- made parts -----------------------------------------------------------------------------------------------


async def test_the_made_parts_are_up_to_date():
    parts = await make.parts()

    for name in make.PAGES:
        text = (DOCS / name).read_text()
        assert make.made(text, parts) == text, f"docs/{name} is out of date; python -m docs.make writes it anew"


async def test_every_part_that_can_be_made_stands_somewhere():
    standing = {name for page in PAGES for name in re.findall(r"<!-- made: (.+?) -->", page.read_text())}

    assert standing == (await make.parts()).keys()


def test_a_stale_part_is_noticed():
    stale = "<!-- made: x -->\n\nold\n\n<!-- /made -->"

    assert make.made(stale, {"x": lambda: "new"}) == stale.replace("old", "new")


# -- flows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", of("yaml", "", "steps", "form"))
def test_every_flow_in_the_docs_loads(block, modules):
    file = modules / "flow.yml"
    file.write_text(flow_of(block))
    for number, other in enumerate(beside(block)):
        (modules / f"beside_{number}.yml").write_text(other.text)

    loaded = load_file(file, actions=builtin_actions())

    assert (loaded.problems, loaded.warnings) == ((), ())
    assert len(loaded.flows) == 1


def test_every_yaml_block_is_one_that_is_tried():
    assert {block.mark for block in blocks() if block.language == "yaml"} == {"", "steps", "form", "manifest"}


def test_the_flows_in_python_load_beside_the_others(modules):
    library = load_folder(modules, actions=builtin_actions())

    assert library.problems == ()
    assert set(library.flows) == {"release_in_python"}


@pytest.mark.parametrize("grants", [10, 2000])
async def test_the_python_actions_do_what_the_page_says(grants, modules):
    (flow,) = [block for block in blocks() if block.language == "yaml" and block.text.startswith("flow: discount")]
    (modules / "discount.yml").write_text(flow.text)

    async with FlowTest(
        modules / "discount.yml",
        people=["ann@example.com", "bob@example.com"],
        groups={"@sales-leads": ["bob@example.com"]},
    ) as t:
        run = await t.start(by="ann@example.com", inputs={"amount": grants})
        await t.approve(run, by="bob@example.com")

        if grants > 1000:
            assert (run.outcome, len(t.calls("discount_actions:grant"))) == ("failed", 1)
        else:
            assert run.steps["grant"].output["by"] == ["bob@example.com"]
            assert run.steps["report"].output == "granted 10"


# -- Python ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", of("python"))
def test_every_python_block_compiles(block):
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", of("python", "test"))
async def test_the_tests_in_the_docs_pass(block):
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block.text, str(block), "exec"), names)  # noqa: S102 - our own page
    tests = [value for name, value in names.items() if name.startswith("test_")]

    assert tests
    for test in tests:
        await test()


def run_script(mark: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", one(mark).text, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603 - our own page


async def test_a_copy_taken_while_the_bot_runs_is_whole_and_its_ledger_verifies(tmp_path):
    flow = Flow(flow="ask", steps=[Step(id="gate", approval=Approval(approvers=("bob@example.com",)))])
    database, copy = tmp_path / "signoff.db", tmp_path / "copy.db"
    people = ["ann@example.com", "bob@example.com"]

    async with FlowTest(flow, people=people, database=database) as t:
        run = await t.start(by="ann@example.com")
        copied = run_script("backup", database, copy)
        live = run_script("verify", database, t.store.ids.run(run.number))
        run_id = t.store.ids.run(run.number)
        lost = await t.start(by="ann@example.com")

    assert copied.returncode == 0, copied.stderr
    assert live.returncode == 0, live.stderr
    verified = run_script("verify", copy, run_id)
    assert verified.stdout.splitlines()[-1] == "1 entries, the chain holds"
    async with FlowTest(flow, people=people, database=copy, now=t.clock.now() + timedelta(minutes=1)) as restored:
        again = await restored.start(by="ann@example.com")
        assert again.number > lost.number


async def test_a_ledger_that_was_changed_does_not_verify(tmp_path):
    flow = Flow(flow="ask", steps=[Step(id="gate", approval=Approval(approvers=("bob@example.com",)))])
    database = tmp_path / "signoff.db"
    async with FlowTest(flow, people=["ann@example.com", "bob@example.com"], database=database) as t:
        run = await t.start(by="ann@example.com")
        await t.approve(run, by="bob@example.com")
        run_id = t.store.ids.run(run.number)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE ledger SET payload = replace(payload, 'approve', 'reject') WHERE seq = 2")

    verified = run_script("verify", database, run_id)

    assert verified.returncode == 1
    assert verified.stderr.strip() == "entry 2 does not verify"


# -- expressions ----------------------------------------------------------------------------------------------

CONTEXT = {
    "inputs": {"version": "1.4.0", "amount": 120, "tags": ["web", "ops"], "day": "2026-12-24"},
    "steps": {"build": {"output": {"url": "https://ci.example.com/7"}}},
    "approvers": [
        Approver(name, f"{name.lower()}@example.com", None, "2026-01-05T09:00:00+00:00", "page", None, name)
        for name in ("Bob", "Cat")
    ],
    "resume": {"reason": "because"},
}


def rows(head: str) -> list[Any]:
    """The rows below a table's head, in code: what stands in the first cell, and in the second."""
    _, _, below = (DOCS / "flow-file.md").read_text().partition(f"| {head} |\n")
    lines = below.split("\n\n")[0].splitlines()[1:]
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines]
    found = [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]
    return [pytest.param(first.strip("`"), second.strip("`"), id=first) for first, second in found]


@pytest.mark.parametrize(("expression", "gives"), rows("expression | gives"))
def test_the_expressions_give_what_the_page_says(expression, gives):
    value = Expression.compile(expression).evaluate(CONTEXT)

    assert value == json.loads(gives)


@pytest.mark.parametrize(("expression", "because"), rows("expression | because"))
def test_the_expressions_are_refused_as_the_page_says(expression, because):
    with pytest.raises(ExpressionError):
        Template.compile(expression if "{%" in expression else "{{ " + expression + " }}")


# -- nothing is missing ---------------------------------------------------------------------------------------


def in_code(page: str) -> set[str]:
    """All words that stand in code on a page."""
    text = (DOCS / page).read_text()
    spans = re.findall(r"`([^`\n]+)`", BLOCK.sub("", text)) + [found["text"] for found in BLOCK.finditer(text)]
    return {word for span in spans for word in re.findall(r"[A-Za-z_][\w]*|[^\w\s]+", span)}


_HANDLERS = (TimeoutHandler, RejectHandler, ErrorHandler)
_PARTS = (
    Flow,
    Step,
    Retry,
    Approval,
    Hold,
    Callback,
    Choice,
    Concurrency,
    Range,
    Repeat,
    All,
    AnyOf,
    AtLeast,
    *_HANDLERS,
    Reminders,
    Escalation,
    WorkingHours,
)
_TRIGGERS = (ScheduleTrigger, WebhookTrigger, FlowTrigger)


@pytest.mark.parametrize(
    ("page", "model"),
    [
        *[("flow-file.md", model) for model in (*_PARTS, *make.field_models())],
        *[("triggers.md", model) for model in _TRIGGERS],
    ],
)
def test_every_key_of_the_flow_file_is_on_its_page(page, model):
    keys = {field.alias or name for name, field in model.model_fields.items()}

    assert keys - in_code(page) == set()


def test_every_model_of_a_definition_is_one_whose_keys_are_looked_for():
    from flows import definition, rules

    models = {
        each
        for module in (definition, rules)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, BaseModel) and each.__module__ == module.__name__ and each.model_fields
    }
    parents = {base for each in models for base in each.__mro__[1:]}

    assert models - parents - {definition.SlackPlace} == {*_PARTS, *_TRIGGERS}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(FILTERS, id="filters"),
        pytest.param(TESTS, id="tests"),
        pytest.param(FROM_CONTEXT, id="what functions may ask for"),
        pytest.param(
            [
                *names.ROOTS,
                *names.CONTEXTUAL,
                *names.RUN,
                *names.ENDING,
                *names.REQUESTER,
                *names.ANSWER,
                *names.CALLED,
                *names.REQUEST,
                *names.ERROR,
                *names.LINKS,
            ],
            id="names",
        ),
        pytest.param(Approver.expression_fields, id="what an approver has"),
        pytest.param([model.model_fields["type"].default for model in make.field_models()], id="types"),
        pytest.param([door.value for door in Door], id="doors"),
        pytest.param([outcome.value for outcome in Outcome], id="outcomes"),
    ],
)
def test_every_name_that_a_flow_may_use_is_on_its_page(names):
    assert set(names) - in_code("flow-file.md") == set()


@pytest.mark.parametrize(("name", "model"), builtin_actions().items())
def test_every_action_and_its_parameters_are_on_the_page(name, model):
    page = (DOCS / "flow-file.md").read_text()

    _, _, about = page.partition(f"#### `{name}`\n")

    for key in model.model_json_schema(by_alias=True)["properties"]:
        assert f"| `{key}` |" in about.split("####")[0]


def test_every_setting_is_on_the_page():
    page = (DOCS / "settings.md").read_text()

    assert issubclass(Settings, BaseSettings)
    for field in Settings.model_fields.values():
        assert f"| `{field.validation_alias}` |" in page


def test_every_kind_of_error_and_every_scope_is_on_the_page():
    page = (DOCS / "api.md").read_text()

    missing = {answer.type for answer in ANSWERS.values() if answer.status != 200 and f"`{answer.type}`" not in page}
    assert missing == set()
    assert all(f"| `{scope}` |" in page for scope in tokens.SCOPES)


def test_every_endpoint_has_an_example_or_is_named_beside_one():
    page = (DOCS / "api.md").read_text()
    played = set(re.findall(r"^(GET|POST|DELETE) (/api/v1/[^\s?]+)", page, re.MULTILINE))
    shapes = {
        (method, re.sub(r"(run|sus|eff|del)_\w+", "{}", path.replace("/release/", "/{}/"))) for method, path in played
    }

    nobody = cast("Any", None)
    api = Api(nobody, nobody, nobody, nobody)
    routes = {(route.method, re.sub(r"{\w+}", "{}", route.path)) for route in api.routes()}

    assert routes - shapes == {("POST", "/api/v1/effects/{}/retry"), ("POST", "/api/v1/people/merge")}


def test_the_operator_is_told_of_every_path_that_the_proxy_has_to_pass():
    page = (DOCS / "operating.md").read_text()
    nobody = cast("Any", None)
    app = web_app(
        engine=nobody,
        people=nobody,
        links=nobody,
        keyring=nobody,
        tokens=nobody,
        clock=nobody,
        public_url="https://signoff.example.com",
        verification=nobody,
        routes=Hooks(nobody, nobody, nobody).routes(),
    )
    paths = {
        resource.canonical.replace("{door}", door) for resource in app.router.resources() for door in callbacks._DOORS
    }

    told = re.findall(r"`(/[^`]*)`", page.partition("| path | for |")[2].partition("\n\n")[0])

    assert "/slack/events" in told
    assert {"/a/{token}", "/r/{token}", "/hooks/{flow}/{webhook}", "/readyz", "/api/v1/flows"} <= paths
    unknown = [
        path
        for path in paths
        if not any(path == each or (each != "/" and each.endswith("/") and path.startswith(each)) for each in told)
    ]
    assert unknown == []


def test_no_log_in_front_of_the_bot_is_told_a_link():
    page = (DOCS / "operating.md").read_text()
    (quiet,) = re.findall(r"location ~ (\^\S+) \{", page)
    nobody = cast("Any", None)
    run = Run(7, "release", 1, {}, started_at=MONDAY)
    links = PageLinks(Keyring(["k" * 32]), nobody, "https://signoff.example.com")
    made = [links.early(run, 1), links.resume(run, 1), links.cancel(run, 1)]
    doors = {url.removeprefix("https://signoff.example.com") for url in made} | {"/a/token"}

    assert [path for path in doors if not re.match(quiet, path)] == []
    assert not re.match(quiet, "/api/v1/flows")
    for path in doors:
        assert f"`{path[:3]}`" in page.partition("Keep ")[2].partition("\n")[0]


@pytest.mark.parametrize(
    "line", re.findall(r"^\| `([a-z][^`]+)` \| (?:warning|error|info) \|", OPERATING, re.MULTILINE)
)
def test_every_line_of_the_log_that_the_operator_is_told_of_is_written_somewhere(line):
    code = [path.read_text() for room in ("bot", "flows") for path in (ROOT / room).rglob("*.py")]

    assert any(line in each for each in code)


# -- commands, links, words -----------------------------------------------------------------------------------


def command_lines() -> list[Any]:
    lines = [
        (block, line)
        for block in blocks()
        if block.language == "sh"
        for line in block.text.splitlines()
        if line.startswith("signoff ")
    ]
    return [pytest.param(line, id=f"{block.page}: {line}") for block, line in lines]


@pytest.mark.parametrize("line", command_lines())
def test_every_command_in_the_docs_can_be_typed_like_that(line):
    import shlex

    _, *words = shlex.split(line)
    command: Any = typer.main.get_command(commands)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    command.make_context("signoff", words)


def anchors(page: Path) -> set[str]:
    text = BLOCK.sub("", page.read_text())
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


LINKING = [
    *PAGES,
    *sorted((DOCS / "decisions").glob("*.md")),
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md")),
]


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text())):
        if target.startswith("https:"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_the_manifest_for_http_changes_what_the_shipped_one_has():
    yaml = YAML(typ="safe")
    shipped, changes = yaml.load((ROOT / "manifest.yml").read_text()), yaml.load(one("manifest").text)
    urls = re.findall(r"https://\S+", one("manifest").text)

    assert [each["command"] for each in changes["features"]["slash_commands"]] == [COMMAND]
    assert changes["settings"].keys() <= shipped["settings"].keys()
    assert shipped["settings"]["socket_mode_enabled"] is True
    assert changes["settings"]["socket_mode_enabled"] is False
    assert {url.removeprefix("https://signoff.example.com") for url in urls} == {"/slack/events"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_a_page_names_is_one(page):
    named = set(re.findall(r"\b(?:SIGNOFF|SLACK|GMAIL)_[A-Z_]+[A-Z]\b", page.read_text()))

    assert named <= {str(field.validation_alias) for field in Settings.model_fields.values()}


def test_every_file_that_the_architecture_names_is_there():
    named = re.findall(r"`((?:flows|integrations|bot|docs|signoff)/[\w/.]*)`", (DOCS / "architecture.md").read_text())

    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_room_of_the_engine_stands_in_the_architecture():
    page = (DOCS / "architecture.md").read_text()
    rooms = "rules seating tree waits sessions step_context step_requests wait_links triggers trigger_values schedule signatures"

    assert [room for room in rooms.split() if f"`flows/{room}.py`" not in page] == []


def test_every_decision_is_in_the_index():
    index = (DOCS / "decisions" / "README.md").read_text()
    written = sorted((DOCS / "decisions").glob("0*.md"))

    for path in written:
        number, _, title = path.read_text().partition("\n")[0].removeprefix("# ").partition(" ")
        assert f"| [{number}]({path.name}) | {title} |" in index
    assert [path.name[:4] for path in written] == [f"{number:04}" for number in range(1, len(written) + 1)]


def test_the_unit_fits_how_the_bot_ends():
    (unit,) = [block.text for block in blocks() if block.language == "ini"]
    values = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))

    assert int(values["RestartPreventExitStatus"]) == WRONG
    assert int(values["TimeoutStopSec"]) > DRAIN.total_seconds() + SHUTDOWN
    assert values["ExecStart"].endswith("signoff serve")


_NOT_OURS = re.compile(r"\b(workflows?|pipelines?|votes?|voted|voters?|magic links?)\b", re.IGNORECASE)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "glossary.md"], ids=lambda page: page.name)
def test_the_pages_use_the_words_of_the_glossary(page):
    assert _NOT_OURS.findall(page.read_text()) == []


def prose(page: str) -> str:
    """A page with its line breaks as blanks."""
    return " ".join((DOCS / page).read_text().split())


def test_numbers_that_the_prose_repeats_are_the_codes_own():
    from bot.slack.views import form_inputs
    from bot.tokens import DEFAULT_SCOPES
    from flows.functions import PLACES

    flow_file, api = prose("flow-file.md"), prose("api.md")
    expires = inspect.signature(typer.main.get_command(commands).commands["token"].commands["create"].callback)

    assert f"with more than {form_inputs._FIELDS} fields, with more than {form_inputs._OPTIONS} options" in flow_file
    assert f"a default of more than {form_inputs._TEXT:,} characters" in flow_file
    assert f"on a thread of its own, {PLACES} at the same" in flow_file
    assert "Without `--scopes` it may `" + "` and `".join(DEFAULT_SCOPES) + "`" in api
    assert expires.parameters["expires"].default == "90d"
    assert "without `--expires` it is good for 90 days" in api


def test_numbers_of_flows_and_waits_are_the_codes_own():
    from bot.triggers import AGAIN_AFTER
    from flows import definition, rules, tree
    from flows.checks import ids
    from flows.expressions import MAX_ITEMS
    from flows.fields import limits
    from flows.signatures import TOLERANCE
    from flows.step_context import StepContext
    from flows.store import reads
    from flows.store.triggers import KEEP_DELIVERIES
    from flows.triggers import MAX_DEPTH

    flow_file, triggers, operating = prose("flow-file.md"), prose("triggers.md"), prose("operating.md")
    words = {8: "eight", 12: "twelve", 30: "thirty", 5: "five", 7: "seven"}

    assert f"up to {words[definition.MAX_DEPTH]} deep. A flow has at most {ids.MAX_STEPS} steps" in flow_file
    assert f"A loop has at most {tree.MAX_ITEMS:,} items." in flow_file
    assert f"in more than {rules.MAX_WAYS:,} ways is refused" in flow_file
    assert f"{limits.MAX_VALUES >> 10} KiB of text together" in flow_file
    assert f"at most {limits.MAX_FILE >> 10} KiB, and {limits.FILE >> 10} KiB where its field says nothing" in flow_file
    assert f"A wait for people without `timeout` has {words[definition.DEFAULT_TIMEOUT.days]} days" in flow_file
    assert f"a callback has {definition.CALLBACK_TIMEOUT.total_seconds() / 3600:g} hours" in flow_file
    assert inspect.signature(StepContext.rerun).parameters["max_retries"].default == 10
    assert "`max_retries` times more (10, where it is not said)" in flow_file
    assert f"stop after {words[MAX_DEPTH]} runs in a row" in triggers
    assert f"tried again every {words[AGAIN_AFTER.seconds]} seconds" in triggers
    for page in (triggers, operating):
        assert f"{words[TOLERANCE.seconds // 60]} minutes" in page
        assert f"remembered for {words[KEEP_DELIVERIES.days]} days" in page
    assert f"with more than {reads.MOST:,} step runs is shown with the first {reads.MOST:,}" in operating
    assert f"lists of at most {MAX_ITEMS:,} items" in operating


def test_what_a_test_of_a_flow_can_do_is_what_the_page_says():
    said = prose("flow-file.md").partition("It has `reject`")[2].partition(" `run.steps` has")[0]

    assert {name for name in re.findall(r"`(\w+)`", said) if not hasattr(FlowTest, name)} == set()
    assert {"withdraw", "call", "drop", "advance"} <= set(re.findall(r"`(\w+)`", said))


def test_what_a_function_sees_of_its_step_is_on_its_page():
    from flows.step_context import StepContext

    about = prose("flow-file.md").partition("| `ctx` has |")[2].partition(" - **")[0]
    has = {name for name in vars(StepContext) if not name.startswith("_")}
    has |= set(re.findall(r"self\.([a-z]\w*)\b", inspect.getsource(StepContext.__mro__[1].__init__)))

    assert has - set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", about)))) == set()
