"""Chromium before a running demo; screenshots go to the folder that ONDES_SCREENSHOTS names."""

import os
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed (extra 'demo')")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra 'dev')")
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "demo"), str(Path(__file__).resolve().parent)]

import demo_server  # noqa: E402  (its folder is on the path since the line above)

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# A microphone that beeps; players may start without a click, as they do after one.
_FLAGS = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The demo on tiny models of every family, running and warm."""
    folder = tmp_path_factory.mktemp("browser")
    models = demo_server.write_models(folder / "models")
    demo_server.write_slow_generator(models)
    with demo_server.serve(folder, "--models", str(models)) as running:
        demo_server.wait_until_warm(running)
        yield running


@pytest.fixture(scope="session")
def chromium():
    """A browser without a window."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def screenshots(tmp_path) -> Path:
    """Folder for pictures of the page."""
    folder = Path(os.environ.get("ONDES_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_page(chromium, server):
    """Return a function that opens the demo and counts errors of the page and requests that leave the machine."""
    contexts = []

    def open_one(mode: str = "light", width: int = 1400, height: int = 900, link: str | None = None):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=mode, permissions=["microphone"]
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.problems, page.foreign = [], []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        local = (server.url, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(local) else page.foreign.append(r.url))
        page.goto(link or f"{server.url}?__theme={mode}")
        page.locator("#vocoder-run").wait_for()
        return page

    yield open_one
    for context in contexts:
        context.close()
