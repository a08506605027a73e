"""Tab Vocoder: analysis and synthesis of a clip, compared with the clip."""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from demo.code import vocode_about
from demo.controls import OptionControls, with_parameters
from demo.folders import result_file
from demo.limits import MAX_SECONDS, check_seed
from demo.messages import guarded, sentence
from demo.players import Line, Track, player, player_message
from demo.runs import NEW_RUN, Runs
from demo.sound import to_integers
from demo.tabs import COMPUTE, STATE_SECONDS, Page
from demo.tabs.blind import build_blind_test
from demo.tabs.features import build_features
from demo.widgets import alarm, clip_input, live_message, live_player, plain_html, seed_input, status, table
from vocoders.core.errors import ConfigError, OndesError

if TYPE_CHECKING:
    from demo.work.compare import Comparison
    from demo.work.vocode import Contour, Copy

__all__ = ["build"]

Changes = Callable[[str, Sequence[Any]], dict[str, Any]]

_STALE = "() => ondes.stale('vocoder-player')"


def build(page: Page) -> None:
    """Lay out the tab."""
    entries, runs = page.library.of_kind("vocoder"), Runs()
    gr.Markdown(
        "Analyse a clip and synthesise it from the features of the vocoder. All versions play at the same loudness.",
        elem_classes="ondes-note",
    )
    with gr.Row():
        with gr.Column(min_width=300):
            examples, names = page.examples("speech", "voice", "plucked strings", "bass")
            audio = clip_input(label=f"Clip (at most {MAX_SECONDS:g} s)", value=examples[0][0], elem_id="vocoder-clip")
            gr.Examples(examples, audio, label="Example clips", example_labels=names, api_visibility="private")
        with gr.Column(min_width=300):
            choices = [(entry.label, entry.name) for entry in entries]
            model = gr.Dropdown(choices, value=choices[0][1], label="Vocoder", elem_id="vocoder-model")
            options = OptionControls(entries, "vocoder")
            draw_seed = seed_input("vocoder")
            seed = draw_seed.seed
            live = gr.Checkbox(False, label="Live: play while it computes", elem_id="vocoder-live")
            with gr.Row():
                run = gr.Button("Synthesise", variant="primary", elem_id="vocoder-run", min_width=120)
                every = gr.Button("All vocoders", elem_id="vocoder-all", min_width=120)
                cancel = gr.Button("Cancel", elem_id="vocoder-cancel", min_width=90)
    told = plain_html(status("Press Synthesise."), elem_id="vocoder-status")
    stream = live_player(elem_id="vocoder-stream", visible=False)
    shown = player(elem_id="vocoder-player")
    metrics = plain_html(elem_id="vocoder-metrics")
    pair = gr.State(None, time_to_live=STATE_SECONDS)
    token = gr.Textbox("", visible=False)
    with gr.Accordion("Blind test: A/B/X", open=False, elem_id="blind"):
        build_blind_test(pair)
    with gr.Accordion("Features of another program", open=False, elem_id="features"):
        build_features(page, model, seed)

    options.follow(model)
    handlers = _Handlers(page, runs, options.names)
    _build_endpoint(handlers, audio, model, options)
    outputs = [shown, told, metrics, pair]
    inputs = [audio, model, *options.controls, seed, token]
    queued = {**COMPUTE, "show_progress": "full", "show_progress_on": told, "api_visibility": "private"}
    unseen = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    began = run.click(None, draw_seed.inputs, [seed, token], js=draw_seed.script(NEW_RUN), **unseen)
    one = began.then(handlers.make_one(options.changed, False), [*inputs, shown, live], [*outputs, stream], **queued)
    drawing = shown.draw(
        handlers.make_one(options.changed, True), [*inputs, shown, live], [*outputs, stream],
        trigger_mode="always_last", **queued,
    )  # fmt: skip
    began_all = every.click(None, None, token, js=NEW_RUN, **unseen)
    many = began_all.then(handlers.make_all(), [audio, model, seed, token], outputs, **queued)
    cancel.click(runs.cancel, token, None, **unseen)
    cancel.click(lambda: status("Cancelled."), None, told, cancels=[one, drawing, many], **unseen)
    changes = [control.change for control in (audio, model, *options.controls)]
    gr.on(changes, None, None, None, js=_STALE, **unseen)
    audio.upload(handlers.check_clip, audio, told, **unseen)
    live.change(lambda on: gr.update(visible=on), live, stream, **unseen)
    page.restorable["vocoder"] = {"clip": audio, "model": model, "seed": seed, "keep": draw_seed.keep} | options.by_name
    page.first_results["vocoder"] = (handlers.first, outputs)


def _build_endpoint(handlers: "_Handlers", audio: gr.Audio, model: gr.Dropdown, options: OptionControls) -> None:
    """Add the interface for programs, whose options may be left out."""
    seed = gr.Number(0, label="Seed", precision=0, visible=False)
    files = [gr.Audio(label=name, visible=False) for name in ("reference", "result")]
    texts = [gr.HTML(visible=False, label=name) for name in ("status", "metrics")]
    handler = handlers.make_endpoint(options.given)
    inputs = [audio, model, *options.parameters, seed]
    gr.on([], handler, inputs, [*files, *texts], **COMPUTE, api_name="vocode")


class _Handlers:
    """What the events of the tab call.

    Args:
        page: models and clips.
        runs: cancelled runs.
        names: of the options of all vocoders.
    """

    def __init__(self, page: Page, runs: Runs, names: Sequence[str]) -> None:
        self.page, self.library, self.runs, self.names = page, page.library, runs, names

    def make_endpoint(self, changes: Changes) -> Any:
        """Return the handler for programs: a clip, a vocoder, values of the options, a seed."""

        @guarded()
        def vocode(audio: str | None, model: str, *values: Any) -> tuple[Any, ...]:
            """Synthesise a clip; return both as files of equal loudness, a line on the work, and metrics.

            Options that are left out have the vocoder's default.
            """
            from demo.work.compare import compare
            from demo.work.vocode import Settings
            from demo.work.vocode import vocode as work

            *options, seed, progress = values
            settings = Settings(model, changes(model, options), check_seed(seed))
            copy = work(self.library, settings, audio, lambda fraction: progress(fraction, desc="Synthesis"))
            files = _files(copy, model)
            return *files, status(_summary(copy), copy.remarks), _metrics({model: compare(copy).rows})

        return with_parameters(vocode, ["audio", "model", *self.names, "seed"], progress=gr.Progress())

    def make_one(self, changes: Changes, takes_drawing: bool) -> Any:
        """Return the handler of the page, with the drawn F0 of the player or without."""

        @guarded(told=1, outputs=5)
        def vocode_page(audio: str | None, model: str, *values: Any) -> Iterator[tuple[Any, ...]]:
            from demo.work.compare import compare
            from demo.work.vocode import Copy, Settings

            *options, seed, run, message, live, progress = values
            drawn = _drawn(message) if takes_drawing else None
            chosen = changes(model, options)
            settings = Settings(model, chosen, check_seed(seed), drawn)

            def report(fraction: float) -> None:
                progress(fraction, desc="Synthesis")

            copy: Copy | None = None
            extra: tuple[str, ...] = ()
            watched = self.runs.watched(run, report)
            if live and drawn is None:
                copy, extra = yield from self._live(settings, audio, run, watched)
            copy = self._work(settings, audio, watched) if copy is None else copy
            entry = self.library.entry(model)
            link = {"tab": "vocoder", "model": model, "seed": str(settings.seed), "keep": "true"} | _texts(chosen)
            about = vocode_about([entry], chosen, settings.seed, link | self.page.clip_link(audio))
            files, said = _files(copy, model), status(_summary(copy), copy.remarks + extra)
            tracks = [Track("clip", "Clip", files[0]), Track(model, model, files[1])]
            how: dict[str, Any] = {"about": about, "drawn": drawn, "editable": copy.given is not None, "hear": model}
            pair = {"rate": copy.sample_rate, "paths": files}
            first = player_message(tracks, ["spectrogram", "difference"], **how)
            yield first, said, gr.skip(), pair, gr.skip()
            compared = compare(copy)
            how["hear"] = None
            message = player_message(tracks, ["spectrogram", "difference", "f0"], _lines(copy, compared), **how)
            yield message, said, _metrics({model: compared.rows}), pair, gr.skip()

        names = ["audio", "model", *self.names, "seed", "run", "message", "live"]
        return with_parameters(vocode_page, names, progress=gr.Progress())

    def make_all(self) -> Any:
        """Return the handler that copies a clip by every vocoder, with the default options."""

        @guarded(told=1, outputs=4)
        def vocode_all(
            audio: str | None,
            model: str,
            seed: float,
            run: str | None,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> Iterator[tuple[Any, ...]]:
            from demo.work.compare import compare
            from demo.work.vocode import Settings

            entries = sorted(self.library.of_kind("vocoder"), key=lambda entry: entry.name != model)
            rows: dict[str, dict[str, str]] = {}
            tracks, done, remarks = [], [], ()
            link = {"tab": "vocoder", "model": model, "seed": str(int(seed)), "keep": "true"} | self.page.clip_link(
                audio
            )
            for number, entry in enumerate(entries):

                def report(fraction: float, number: int = number, name: str = entry.name) -> None:
                    progress((number + fraction) / len(entries), desc=name)

                try:
                    copy = self._work(Settings(entry.name, {}, check_seed(seed)), audio, self.runs.watched(run, report))
                except OndesError as error:
                    if self.runs.is_cancelled(run) or not number:
                        raise
                    remarks += (f"{entry.name}: {error}",)
                    continue
                files = _files(copy, entry.name)
                tracks += [Track("clip", "Clip", files[0])] if not tracks else []
                tracks.append(Track(entry.name, entry.label, files[1], file=entry.name))
                done.append(entry)
                speed = {"Speed": f"{copy.seconds / copy.compute_seconds:.1f} × real time"}
                rows[entry.name] = compare(copy).rows | speed
                about = vocode_about(done, {}, int(seed), link)
                said = status(f"{len(done)} of {len(entries)} vocoders.", remarks, len(done) / len(entries))
                pair = {"rate": copy.sample_rate, "paths": files}
                yield player_message(tracks, ["spectrogram", "difference"], about=about), said, _metrics(rows), pair
            text = f"{len(done)} vocoders on one clip. Keys 1 to {len(tracks)} switch between them."
            yield gr.skip(), status(text, remarks), gr.skip(), gr.skip()

        return vocode_all

    def first(self) -> tuple[Any, ...]:
        """Return what the page shows when it opens: the first vocoder on the first clip."""
        model, audio = self.library.of_kind("vocoder")[0].name, self.page.first_clip()
        handler = self.make_one(lambda name, values: {}, False)
        *_, last = handler(audio, model, *([None] * len(self.names)), 0, None, None, False, lambda *_, **__: None)
        return last[:4]

    @guarded()
    def check_clip(self, audio: str | None) -> str:
        """Say at once whether an uploaded clip can be used."""
        from demo.limits import read_clip

        try:
            clip = read_clip(audio)
        except OndesError as error:
            return alarm(sentence(str(error)))
        return status(f"{clip.seconds:.2f} s at {clip.sample_rate / 1000:g} kHz. Press Synthesise.", clip.remarks)

    def _work(self, settings: Any, audio: str | None, report: Callable[[float], None]) -> "Copy":
        from demo.work.vocode import vocode

        return vocode(self.library, settings, audio, report)

    def _live(
        self, settings: Any, audio: str | None, run: str | None, report: Callable[[float], None]
    ) -> Generator[tuple[Any, ...], None, "tuple[Copy | None, tuple[str, ...]]"]:
        """Play pieces; return the copy and a remark, or no copy for a vocoder without streams."""
        from demo.work.vocode import Copy, vocode_live

        pieces: list[Any] = []
        try:
            for new in vocode_live(self.library, settings, audio, report):
                if isinstance(new, Copy):
                    return new, (f"played in {len(pieces)} pieces while it was computed",)
                rate, total, samples = new
                pieces.append(samples)
                state = "done" if sum(map(len, pieces)) >= total else "running"
                first = max(0, len(pieces) - 5)
                message = live_message(run or "live", rate, total, first, pieces[first:], state)
                yield gr.skip(), gr.skip(), gr.skip(), gr.skip(), message
        except ConfigError as error:
            if "stream" not in str(error):
                raise
        return None, (f"'{settings.model}' has no stream: it plays at the end",)


def _texts(options: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in options.items() if value is not None and value != ""}


def _files(copy: "Copy", name: str) -> list[str]:
    pair = {"clip": copy.reference, name: copy.result}
    return [result_file(to_integers(x), copy.sample_rate, title) for title, x in pair.items()]


def _drawn(message: Any) -> tuple[float, ...] | None:
    drawn = message.get("drawn") if isinstance(message, dict) else None
    if not isinstance(drawn, list) or not all(isinstance(f, int | float) for f in drawn):
        return None
    return tuple(float(f) for f in drawn)


def _lines(copy: "Copy", compared: "Comparison") -> list[Line]:
    def line(label: str, contour: "Contour") -> Line:
        return Line(label, contour.hop, [round(float(f), 1) for f in contour.f0])

    lines = [] if copy.given is None else [line("F0 that the vocoder found", copy.given)]
    lines += [line("measured in the clip", compared.clip), line("measured in the result", compared.result)]
    if copy.wanted is not None and copy.f0_scale != 1:
        lines.append(line(f"F0 × {copy.f0_scale:.2f}", copy.wanted))
    return lines


def _summary(copy: "Copy") -> str:
    speed = copy.seconds / copy.compute_seconds
    return f"{copy.seconds:.2f} s of audio in {copy.compute_seconds:.2f} s, with the analysis: {speed:.1f} × real time."


def _metrics(rows: dict[str, dict[str, str]]) -> str:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    if len(rows) == 1:
        only = next(iter(rows.values()))
        return table(["Metric", "Against the clip"], [[name, only[name]] for name in names], "Metrics", numbers=(1,))
    lines = [[model, *(row.get(name, "") for name in names)] for model, row in rows.items()]
    return table(["Vocoder", *names], lines, "Metrics against the clip", numbers=range(1, len(names) + 1))
