"""What every command says about itself."""

import re
import shlex

import pytest
import typer

from recipes.cli.main import app

# How the first lines begin; a further command may add its verb.
VERBS = {
    *(
        "Compare",
        "Convert",
        "Copy",
        "Draw",
        "Export",
        "Extract",
        "Find",
        "Hear",
        "List",
        "Make",
        "Measure",
        "Pack",
        "Play",
        "Prepare",
    ),
    *("Serve", "Show", "Synthesise", "Train", "Turn", "Write"),
}
RAW_MARKUP = re.compile(r"`|:[a-z]+:|\*\*|::")


def _walk(command, name):
    """Yield every command and group with its whole name."""
    yield name, command
    for part, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from _walk(below, f"{name} {part}")


COMMANDS = dict(_walk(typer.main.get_command(app), "ondes"))


def _parameters(name):
    """Return the arguments and options of a command, those that systems declare too."""
    command = COMMANDS[name]
    return command.get_params(typer.Context(command))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_line_is_a_short_sentence_with_the_verb_first(name):
    first = COMMANDS[name].help.split("\n\n")[0]
    assert "\n" not in first.strip()
    assert len(first.strip()) <= 80
    assert first.split()[0].rstrip(",") in VERBS
    assert first.strip().endswith(".")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_and_option_has_help(name):
    for parameter in _parameters(name):
        assert parameter.help, parameter.name
        assert parameter.help[0].isupper() or " " in parameter.help, parameter.help
        # Typer adds the dots of what may be given several times.
        assert "..." not in (parameter.metavar or "").removesuffix("N..."), parameter.metavar


@pytest.mark.parametrize("name", COMMANDS)
def test_no_markup_is_shown_raw(name):
    texts = [COMMANDS[name].help, *(parameter.help for parameter in _parameters(name))]
    assert not [text for text in texts if RAW_MARKUP.search(text)]


def test_one_name_for_one_thing():
    """The same option is written alike and has the same short form in every command."""
    short = {"--output": "-o", "--model": "-m", "--force": "-f", "--knob": "-k"}
    for name in COMMANDS:
        for parameter in _parameters(name):
            long = next((option for option in parameter.opts if option.startswith("--")), None)
            assert long not in short or short[long] in parameter.opts, f"{name} {long}"
            # What --output is elsewhere; --out is the JSON file of a measurement.
            if long == "--out":
                assert parameter.help.startswith("JSON file"), name


@pytest.mark.parametrize("command", ["decode", "features"])
def test_a_former_name_of_an_option_works_and_tells_the_new_one(ondes, tmp_path, command):
    missing = tmp_path / "none"
    run = ondes(
        command, "--data", missing, "--out", tmp_path / "out", *(["--exp", missing] if command == "decode" else [])
    )
    assert run.code == 2
    assert re.search("--out .*--output", run.err)
    assert "No such option" not in run.err


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if not hasattr(command, "commands")])
def test_every_command_shows_an_example_that_it_takes(name):
    command = COMMANDS[name]
    example = re.search(r"^Example: (ondes .*)$", command.help, re.MULTILINE)
    assert example, name
    assert len(example[1]) < 90
    words = shlex.split(example[1].partition(" > ")[0])
    assert " ".join(words).startswith(name)
    assert command.make_context(name, words[len(name.split()) :]).params
