"""The page with all tabs, and the options of its server."""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import Default

from demo.clips import example_clips
from demo.folders import examples_folder, forget_visitor
from demo.library import Library, find_entries
from demo.limits import MAX_FILE_BYTES
from demo.links import READ_LINK, Restoring
from demo.players import SCRIPTS
from demo.tabs import Page, effects, generate, models, vocoder
from demo.widgets import STYLE
from vocoders.core.runtime_names import RuntimeName

__all__ = ["Demo", "build", "launch_options", "warm_up"]

_logger = logging.getLogger(__name__)

# Every quarter of an hour, files of visitors older than an hour are removed.
_CACHE_SECONDS = (900, 3600)
# Length of the queue; more requests are refused.
_WAITING = 40
_SESSIONS = 200
# Each computing thread keeps memory, and few compute at the same time.
_THREADS = 12
# How long a page that opens waits for the first results.
_FIRST_SECONDS = 30
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_HEAD = """
# ondes

Neural vocoders, state-space models and parameterised effects: listen, turn the knobs, see the results.
"""


class Demo(gr.Blocks):
    """The page and its models.

    Attributes:
        library: the models.
        page: what the tabs share.
    """

    library: Library
    page: Page


def _show_first_results(demo: Demo, page: Page) -> None:
    """Show a result in every tab when the page opens, as soon as the server has it."""
    for tab, (_, components) in page.first_results.items():

        def wait(tab: str = tab, count: int = len(components)) -> tuple[Any, ...]:
            page.is_ready.wait(_FIRST_SECONDS)
            return page.ready.get(tab, tuple(gr.skip() for _ in range(count)))

        demo.load(wait, None, components, queue=False, show_progress="hidden", api_visibility="private")


def _forget(request: gr.Request) -> None:
    forget_visitor(str(request.session_hash))


def build(model_folders: Sequence[Path] = (), runtime: RuntimeName = "auto") -> Demo:
    """Return the page over the shipped models and those in ``model_folders``; torch is not imported yet."""
    library = Library(find_entries(model_folders), runtime=runtime)
    page = Page(library, example_clips(examples_folder()))
    with Demo(title="ondes", analytics_enabled=False, delete_cache=_CACHE_SECONDS) as demo:
        gr.Markdown(_HEAD, elem_classes="ondes-head")
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Vocoder", id="vocoder"):
                vocoder.build(page)
            with gr.Tab("Generate", id="generate"):
                generate.build(page)
            with gr.Tab("Effects", id="effects"):
                fill_effects, effect_lists = effects.build(page)
            with gr.Tab("Models", id="models"):
                models.build(page)
        unseen = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        filled = demo.load(fill_effects, None, effect_lists, **unseen)
        _show_first_results(demo, page)
        restoring, link = Restoring(page, tabs), gr.Textbox("", visible=False)
        # The lists of effects must be there before a link chooses from them.
        read = filled.then(None, None, link, js=READ_LINK, **unseen)
        restored = read.then(restoring, link, restoring.components, **unseen)
        for tab, (_, inputs, outputs) in page.rendered.items():
            restored.then(restoring.make_render(tab), [link, *inputs], outputs, **unseen)
        demo.unload(_forget)
    demo.queue(max_size=_WAITING, default_concurrency_limit=4)
    demo.library, demo.page = library, page
    return demo


def launch_options() -> dict[str, Any]:
    """Return the arguments of :meth:`gradio.Blocks.launch`, without the address."""
    theme = Default(
        primary_hue="blue",
        neutral_hue="slate",
        # No font is loaded from the internet.
        font=_FONTS,
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
    # Gradio's subdued text is too pale on white: contrast 2.6 to 1. This has 4.8 to 1, and 7 to 1 in dark mode.
    theme.set(
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400",
        # White on the theme's own blue has 3.7 to 1; this has 6.7 to 1.
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
    )
    return {
        "theme": theme,
        "css": STYLE,
        "head": f"<script>{SCRIPTS}</script>",
        "max_file_size": MAX_FILE_BYTES,
        "state_session_capacity": _SESSIONS,
        "max_threads": _THREADS,
        "show_error": True,
        "run_history": False,
        "footer_links": ["api"],
        "ssr_mode": False,
        "allowed_paths": [],
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
    }


def warm_up(page: Page) -> threading.Thread:
    """Make the first result of every tab and use the models once, in the background."""

    def work() -> None:
        started = time.perf_counter()
        try:
            for tab, (make, _) in page.first_results.items():
                page.ready[tab] = make()
            page.is_ready.set()
            from demo.work.bench import rehearse

            rehearse(page.library)
        except Exception:
            page.is_ready.set()
            _logger.exception("warming up failed; the first request will say more")
        else:
            _logger.info("ready after %.1f s in the background", time.perf_counter() - started)

    thread = threading.Thread(target=work, name="warm-up", daemon=True)
    thread.start()
    return thread
