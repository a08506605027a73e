"""Blind test below the vocoder's result."""

from typing import Any, get_args

import gradio as gr
import numpy as np

from demo.blind import Choice, Score, answer, chance, new_trial
from demo.folders import read_wav, result_file
from demo.limits import owned_path
from demo.messages import guarded
from demo.players import Track, player, player_message
from demo.tabs import STATE_SECONDS
from demo.widgets import plain_html, status
from vocoders.core.errors import DataError

__all__ = ["build_blind_test"]

_START = "Press New trial. A and B are the clip and the result in random order; X is one of them."


def build_blind_test(pair: gr.State) -> None:
    """Lay out the test of ``pair``, the last clip and its synthesis."""
    trial = gr.State(None, time_to_live=STATE_SECONDS)
    score = gr.State(Score(), time_to_live=STATE_SECONDS)
    gr.Markdown(
        "Can you hear the difference? Listen to all three as often as you like, then choose whether X is A or B."
    )
    sounds = player(is_secret=True, elem_id="blind-player")
    with gr.Row():
        new = gr.Button("New trial", elem_id="blind-new")
        answers = [gr.Button(f"X is {name}", interactive=False, elem_id=f"blind-x-is-{name}") for name in "AB"]
        reset = gr.Button("Reset score", variant="secondary", elem_id="blind-reset")
    told = plain_html(status(_START), elem_id="blind-score")

    new.click(_start, pair, [trial, sounds, *answers, told], api_visibility="private", show_progress="minimal")
    for name, button in zip(get_args(Choice), answers, strict=True):
        button.click(
            _make_answer(name),
            [trial, score],
            [trial, score, *answers, told],
            api_visibility="private",
            show_progress="hidden",
        )
    reset.click(lambda: (Score(), status("The score is 0 of 0.")), None, [score, told], api_visibility="private")
    # A new result ends the trial on the page.
    pair.change(
        lambda: (None, None, *_buttons(False), status(_START)),
        None,
        [trial, sounds, *answers, told],
        api_visibility="private",
        show_progress="hidden",
    )


@guarded()
def _start(pair: dict[str, Any] | None) -> tuple[Any, ...]:
    if not pair:
        raise DataError("there is no result to test yet; press Synthesise first")
    trial, sounds = new_trial(*_read(pair))
    tracks = [Track(name, name, result_file(sounds[name], pair["rate"], name)) for name in "ABX"]
    return trial, player_message(tracks, hear="X"), *_buttons(True), status("Is X A or B?")


def _read(pair: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    reference, result = pair["paths"]
    return read_wav(owned_path(reference)), read_wav(owned_path(result))


def _make_answer(choice: Choice) -> Any:
    def respond(trial: Any, score: Score) -> tuple[Any, ...]:
        if trial is None:
            return None, score, *_buttons(False), status(_START)
        score = answer(score, trial, choice)
        verdict = "Right" if choice == trial.x_is else "Wrong"
        a, b = ("the clip", "the result") if trial.a_is_reference else ("the result", "the clip")
        text = (
            f"{verdict}: X was {trial.x_is} (A was {a}, B was {b}). Score: {score.correct} of {score.total}; "
            f"guessing is at least as good with a probability of {100 * chance(score):.0f} %."
        )
        return None, score, *_buttons(False), status(text)

    return respond


def _buttons(active: bool) -> list[Any]:
    return [gr.update(interactive=active), gr.update(interactive=active)]
