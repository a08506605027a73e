"""Every command that README.md, demo/README.md and CONTRIBUTING.md show runs as it stands, but for the recipes."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec

import pytest
import typer
from document_commands import DOCUMENTS, REPOSITORY, Command, inline_commands, name_of, read_commands

from recipes.cli.main import app
from vocoders.core.model_source import shipped_models

# Recipes run in test_recipe_documents.py.
OUTSIDE_RECIPES = [path for path in DOCUMENTS if "egs" not in path.relative_to(REPOSITORY).parts[:1]]
# What runs in the place of a command, and why.
REPLACED = {
    "make test": ("make -n test", "these tests are a part of what it runs"),
}
# Commands that run until they are interrupted.
SERVERS = ("python -m demo",)
# Commands that take longer than a fast test may, with the reason; slow tests run them.
SLOW = {
    "ondes evaluate effect": "renders and measures 96 pieces",
    "./run.sh": "trains, in test_recipe_documents.py",
}
SLOW_WITHIN_THE_TEXT = (
    "ondes bench",
    "ondes generate --model sashimi-digits-8k --seconds 1 --num 400",
    "ondes generate -m sashimi-piano-16k --seconds 6 --num 6",
)


def _is_slow(command: Command) -> bool:
    return command.text.startswith(tuple(SLOW))


@pytest.mark.parametrize("document", OUTSIDE_RECIPES, ids=name_of)
def test_commands(document, open_sandbox):
    commands = read_commands(document)
    sandbox = open_sandbox(document, commands)
    for command in commands:
        if command.text in SERVERS:
            if find_spec("gradio") is None:
                pytest.skip("the page needs the extra 'demo'")
            _check_server(command, sandbox)
        elif not _is_slow(command):
            sandbox.run(command, REPLACED.get(command.text, (None,))[0])


@pytest.mark.slow
def test_slow_commands_of_the_pages(open_sandbox):
    document = REPOSITORY / "tests/documents/website/pages/how-to/effects.md"
    commands = read_commands(document)
    sandbox = open_sandbox(document, commands)
    wanted = [number for number, command in enumerate(commands) if command.text.startswith("ondes evaluate effect")]
    assert wanted
    for number in wanted:
        # The data from the command before.
        sandbox.run(commands[number - 1])
        printed = sandbox.run(commands[number])
        assert "| comp4c-graybox: unseen audio, unseen knobs |" in printed


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_within_the_text_exist(document):
    for line in inline_commands(document):
        words = shlex.split(line)[1:]
        command = typer.main.get_command(app)
        while hasattr(command, "commands") and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), line
        # Those that systems declare are among them.
        parameters = command.get_params(typer.Context(command))
        known = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= known, line
        if _is_whole(words):
            # A reader may give it as it stands.
            command.make_context(line, words)
    for target in re.findall(r"`make ([a-z-]+)`", document.read_text()):
        found = subprocess.run(["make", "-n", target], cwd=REPOSITORY, capture_output=True, text=True)
        assert found.returncode == 0, found.stderr


def _is_whole(words):
    return bool({model.name for model in shipped_models()} & set(words))


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("is_slow", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_commands_within_the_text(is_slow, sandbox):
    lines = dict.fromkeys(line for document in DOCUMENTS for line in inline_commands(document))
    whole = [line for line in lines if _is_whole(shlex.split(line))]
    wanted = [line for line in whole if line.startswith(SLOW_WITHIN_THE_TEXT) == is_slow]
    assert wanted
    for number, line in enumerate(wanted):
        sandbox.folder = sandbox.root / str(number)
        sandbox.folder.mkdir()
        sandbox.run(Command(line, "bash"))


def _check_server(command, sandbox):
    port = 17860 + os.getpid() % 10000
    environment = sandbox.environment | {"GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen(["bash", "-c", f"exec {command.text}"], cwd=sandbox.folder, env=environment)
    try:
        deadline = time.monotonic() + 120
        while not _answers(f"http://127.0.0.1:{port}"):
            assert process.poll() is None, f"{command.text} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command.text} does not answer"
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)
    assert process.returncode in (0, 130)


def _answers(address):
    try:
        with urllib.request.urlopen(address, timeout=30) as page:
            return b"ondes" in page.read()
    except OSError:
        return False


def test_the_readme_is_short_and_its_table_of_models_is_that_of_the_command():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    command = [sys.executable, "-m", "recipes.cli.main", "models", "--markdown"]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    table = text.partition("<!-- ondes models --markdown -->\n")[2].partition("<!-- end of models -->")[0]
    assert table == printed, "put what 'ondes models --markdown' prints into README.md"


def test_links_of_pages_lead_somewhere():
    for document in OUTSIDE_RECIPES:
        text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            # The reference is written when the site is built, and pictures of concepts are drawn.
            made = re.match(r"(\.\./)?(vocoders|effects|recipes)(\.[\w.]+)?\.md$|pictures/", link)
            known = link.startswith(("http://", "https://")) or made or (document.parent / link).exists()
            assert known, f"{name_of(document)}: {link}"
