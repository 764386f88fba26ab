"""``signoff webhook``: the secret that a sender signs with, and nothing else on standard output."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from flows.signatures import HookKeys, Scheme

KEY = "webhooks-Nb7Q2mVx0ZcK9rTfLw4hJ6sDy3pGu8Ea"
DEPLOY = """
flow: deploy
owner: eve@example.com
inputs: [{name: ref, type: string}]
triggers: [{webhook: pushed, inputs: {ref: "{{ request.body.ref }}"}}]
steps: [{id: note, uses: log, with: {message: "{{ inputs.ref }}"}}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNOFF_SECRET_KEY", KEY)
    monkeypatch.setenv("SIGNOFF_PUBLIC_URL", "https://signoff.example.com")
    (tmp_path / "deploy.yml").write_text(DEPLOY)
    return tmp_path


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["webhook", *arguments])


@pytest.mark.usefixtures("folder")
def test_the_secret_stands_alone_on_standard_output_and_the_address_beside_it():
    ours, githubs = command("deploy", "pushed"), command("deploy", "pushed", "--github")

    assert ours.stdout == f"{HookKeys([KEY]).secret('deploy', 'pushed')}\n"
    assert githubs.stdout == f"{HookKeys([KEY]).secret('deploy', 'pushed', Scheme.GITHUB)}\n"
    assert "POST https://signoff.example.com/hooks/deploy/pushed" in ours.stderr
    assert "X-Hub-Signature-256" in githubs.stderr


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deplay", "pushed"), "there is no flow 'deplay'; did you mean 'deploy'?"),
        (("deploy", "pushd"), "there is no webhook 'pushd'; did you mean 'pushed'?"),
    ],
)
def test_a_name_that_is_not_there_gets_no_secret(arguments, said):
    result = command(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.usefixtures("folder")
def test_without_the_servers_key_there_is_no_secret(monkeypatch):
    monkeypatch.delenv("SIGNOFF_SECRET_KEY")

    result = command("deploy", "pushed")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "SIGNOFF_SECRET_KEY is missing" in result.stderr
