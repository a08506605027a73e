"""Below the vocoder: features of other programs."""

from typing import Any

import gradio as gr

from demo.folders import result_file
from demo.limits import check_seed
from demo.messages import guarded
from demo.players import Track, player, player_message
from demo.sound import to_integers
from demo.tabs import COMPUTE, Page
from demo.widgets import file_input, plain_html, status

__all__ = ["build_features"]

_SUFFIXES = [".npy", ".npz", ".pt", ".h5"]


def build_features(page: Page, model: gr.Dropdown, seed: gr.Number) -> None:
    """Lay out the player of feature files, with the vocoder and the seed of the tab."""
    gr.Markdown(
        "Upload the mel of any program, bands by frames or frames by bands. The convention says what its numbers "
        "mean; the first choice fits shape and values. F0 that the file lacks is estimated."
    )
    with gr.Row():
        with gr.Column(min_width=300):
            file = file_input(_SUFFIXES, label="Features", elem_id="features-file")
            convention = gr.Dropdown([], label="Convention", elem_id="features-mel", allow_custom_value=True)
            run = gr.Button("Play features", variant="primary", elem_id="features-run")
        with gr.Column(min_width=300):
            told = plain_html(status("Upload a file."), elem_id="features-status")
    audio = player(elem_id="features-player")
    file.upload(_look, file, [convention, told], api_visibility="private", show_progress="minimal")
    run.click(_make_handler(page), [file, model, convention, seed], [audio, told], **COMPUTE, api_visibility="private")


@guarded()
def _look(path: str | None) -> tuple[Any, ...]:
    """Describe a feature file, and offer the conventions that fit it first."""
    from demo.work.features import look_at

    said, names, first = look_at(path)
    return gr.Dropdown(names, value=first), status(said + ".")


def _make_handler(page: Page) -> Any:
    @guarded()
    def play_features(
        file: str | None,
        model: str,
        convention: str,
        seed: float,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Synthesise a feature file in a mel convention."""
        from demo.work.features import OWN, play

        chosen = convention or OWN
        played = play(page.library, file, model, chosen, check_seed(seed))
        seconds = len(played.samples) / played.sample_rate
        text = f"{seconds:.2f} s of audio in {played.compute_seconds:.2f} s, from {chosen}."
        track = Track(model, model, result_file(to_integers(played.samples), played.sample_rate, model))
        return player_message([track], ["spectrogram"]), status(text)

    return play_features
