"""Every command that README.md, demo/README.md and CONTRIBUTING.md show runs as it stands, but for the recipes."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import click
import pytest
import typer
from document_commands import DOCUMENTS, REPOSITORY, Command, inline_commands, name_of, read_commands

from recipes.cli.main import app
from recipes.cli.main import main as ondes

# Recipes run in test_recipe_documents.py.
OUTSIDE_RECIPES = [path for path in DOCUMENTS if "egs" not in path.relative_to(REPOSITORY).parts[:1]]
# What runs in the place of a command, and why.
REPLACED = {
    "make test": ("make -n test", "these tests are a part of what it runs"),
}
# Commands that run until they are interrupted.
SERVERS = ("python -m demo",)
# Commands that take longer than a fast test may, with the reason.
SLOW = {
    "ondes evaluate --effect": "renders and measures 96 pieces",
    "./run.sh": "trains, in test_recipe_documents.py",
}


def _is_slow(command: Command) -> bool:
    return command.text.startswith(tuple(SLOW))


@pytest.mark.parametrize("document", OUTSIDE_RECIPES, ids=name_of)
def test_commands(document, open_sandbox):
    commands = read_commands(document)
    sandbox = open_sandbox(document, commands)
    for command in commands:
        if command.text in SERVERS:
            _check_server(command, sandbox)
        elif not _is_slow(command):
            sandbox.run(command, REPLACED.get(command.text, (None,))[0])


@pytest.mark.slow
def test_slow_commands_of_the_readme(open_sandbox):
    commands = read_commands(REPOSITORY / "README.md")
    sandbox = open_sandbox(REPOSITORY / "README.md", commands)
    wanted = [number for number, command in enumerate(commands) if command.text.startswith("ondes evaluate --effect")]
    assert wanted
    for number in wanted:
        # The data comes from the command before it.
        sandbox.run(commands[number - 1])
        printed = sandbox.run(commands[number])
        assert "| comp4c-graybox: unseen audio, unseen knobs |" in printed


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
        process.wait(30)
    assert process.returncode in (0, 130)


def _answers(address):
    try:
        with urllib.request.urlopen(address, timeout=5) as page:
            return b"ondes" in page.read()
    except OSError:
        return False
