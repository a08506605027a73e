"""Command lines of `ondes evaluate` and `ondes likelihood` before there were subcommands: one line with the new one."""

import shlex

import pytest
import typer

from recipes.cli.main import app

FORMER = {
    "evaluate --ref a --gen b c --gen x=d --natural": "evaluate audio --ref a --gen b c --gen x=d --natural",
    "evaluate --gen=x=y --ref=a --title 'two words'": "evaluate audio --gen x=y --ref a --title 'two words'",
    "evaluate --out r.json --exp e --data d --checkpoint best": "evaluate likelihood --out r.json --exp e --data d "
    "--checkpoint best",
    "evaluate --effect m --effect=n=o --true comp_4c --train t --data d": "evaluate effect m n=o --true comp_4c "
    "--train t --data d",
    "evaluate --pairs p --effect m --items 3": "evaluate pairs m --data p --items 3",
    "likelihood --exp e --data d --pieces 8000": "evaluate likelihood --exp e --data d --pieces 8000",
}


@pytest.mark.parametrize("former", FORMER)
def test_the_new_command_is_given_whole(ondes, former: str) -> None:
    run = ondes(*shlex.split(former))
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    line = run.err.strip().partition("type: ondes ")[2]
    assert line == FORMER[former]
    # What the hint says can be typed.
    group, name, *words = shlex.split(line)
    typer.main.get_command(app).commands[group].commands[name].make_context(name, words)


@pytest.mark.parametrize("words", [["evaluate", "--nj", "2"], ["evaluate"], ["evaluate", "ref"], ["likelihood"]])
def test_what_says_too_little_is_one_line(ondes, words: list[str]) -> None:
    run = ondes(*words)
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert "ondes evaluate" in run.err


def test_likelihood_is_no_command_of_the_help(ondes) -> None:
    listed = [line.split()[1] for line in ondes("--help").out.splitlines() if line.startswith("│ ")]
    assert "evaluate" in listed
    assert "likelihood" not in listed
