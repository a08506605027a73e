"""The player that all tabs share: clips in step, their pictures, and how to make them again."""

import json
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from demo.folders import result_folder
from demo.limits import owned_path
from demo.messages import guarded
from vocoders.core.atomic import atomic_file

__all__ = ["SCRIPTS", "About", "Line", "Track", "pack_results", "player", "player_message"]

Picture = Literal["spectrogram", "difference", "f0", "gain"]

_ASSETS = Path(__file__).parent / "assets"
_FILES = ("transport", "spectra", "pictures", "player", "dial", "knobs", "live", "fields")
SCRIPTS = "\n".join((_ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in _FILES)
"""What the page loads once, before its components."""

_TEMPLATE = """<div class="player" data-state="empty" data-secret="{secret}" data-continues="{continues}">
<div class="bar"><button type="button" class="play" disabled>Play</button>
<div class="tracks" role="radiogroup" aria-label="What you hear"></div></div>
<div class="seek"><input type="range" class="position" min="0" max="0" step="0.01" value="0" aria-label="Position">
<span class="time">0.00 / 0.00 s</span></div>
<div class="tools"><label><input type="checkbox" class="loop" checked> Loop</label>
<label class="pictured"><input type="checkbox" class="equal" checked> Equal loudness</label>
<label class="pictured"><input type="checkbox" class="every" {every}> All pictures</label>
<label class="pictured">Axis <select class="scale"><option value="mel">mel</option><option value="log">log</option>
<option value="linear">linear</option></select></label>
<span class="pictured"><button type="button" class="wider" aria-label="Zoom out">−</button>
<button type="button" class="closer" aria-label="Zoom in">+</button></span>
<button type="button" class="continue">Continue from here</button>
<a class="download" hidden>Download</a><button type="button" class="zip" hidden>Download all</button>
<button type="button" class="link" hidden>Copy link</button></div>
<div class="told" role="status"></div>
<div class="panels"><div class="playhead" hidden></div></div>
<details class="code" hidden><summary>Show me the code</summary><p>Command</p><pre class="shell" tabindex="0"></pre>
<p>Python</p><pre class="python" tabindex="0"></pre></details></div>"""


@dataclass(frozen=True)
class Track:
    """A clip of a player.

    Attributes:
        name: name in the player.
        label: text of its button.
        path: file, as :func:`demo.folders.result_file` writes it.
        level_db: gain in dB that restores the clip's level among those of the player.
        equal_db: gain in dB that makes the clips of the player equally loud.
        file: name of the downloaded file, without suffix; default: ``name``.
    """

    name: str
    label: str
    path: str
    level_db: float = 0.0
    equal_db: float = 0.0
    file: str = ""


@dataclass(frozen=True)
class Line:
    """A contour of F0.

    Attributes:
        label: text of the legend.
        hop: seconds between values.
        values: in Hz, 0 for unvoiced.
    """

    label: str
    hop: float
    values: list[float]


@dataclass(frozen=True)
class About:
    """How to make the clips of a player again.

    Attributes:
        shell: commands.
        python: the same in Python.
        settings: everything that was chosen.
        link: parameters of an address that restores the page.
    """

    shell: str
    python: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    link: Mapping[str, str] = field(default_factory=dict)


def player(*, is_secret: bool = False, continues: bool = False, every: bool = True, **options: Any) -> gr.HTML:
    """Return a player for :func:`player_message`; its events are ``draw`` and ``extend``.

    Args:
        is_secret: without pictures and names of files, for blind tests.
        continues: with a button that continues the clip from the present position.
        every: whether pictures of all clips are shown at first, or only of those that are heard.
        options: options of Gradio's HTML.
    """
    yes = {True: "yes", False: ""}
    template = _TEMPLATE.format(secret=yes[is_secret], continues=yes[continues], every="checked" if every else "")
    # Gradio finds the names of events in this text.
    events = "/* 'draw' 'extend' */"
    return gr.HTML(
        value=None,
        apply_default_css=False,
        html_template=template,
        js_on_load=f"ondes.player({{ element, props, watch, trigger, server }}); {events}",
        server_functions=[pack_results],
        **options,
    )


def player_message(
    tracks: Sequence[Track],
    pictures: Sequence[Picture] = (),
    f0: Sequence[Line] = (),
    *,
    about: About | None = None,
    drawn: Sequence[float] | None = None,
    editable: bool = False,
    hear: str | None = None,
    prefer: str | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Return the content of a player.

    Args:
        tracks: clips; the first is the reference of pictures that compare.
        pictures: kinds of pictures.
        f0: contours; the first is what the vocoder was given.
        about: how to make the clips again.
        drawn: contour that the user drew, at the steps of the first of ``f0``.
        editable: whether the user can draw F0.
        hear: clip that is heard from now on; default: as before.
        prefer: clip that is heard where the one before is not there; default: the first.
        name: name of the result; default: a new one.
    """
    return {
        "id": name or uuid.uuid4().hex,
        "tracks": [asdict(track) for track in tracks],
        "pictures": list(pictures),
        "f0": [asdict(line) for line in f0],
        "about": None if about is None else asdict(about),
        "drawn": None if drawn is None else list(drawn),
        "editable": editable,
        "hear": hear,
        "prefer": prefer,
    }


@guarded()
def pack_results(message: Any) -> str:
    """Write an archive of a player's clips with a README of their settings; return its path."""
    tracks = message.get("tracks") or [] if isinstance(message, Mapping) else []
    about = message.get("about") or {} if isinstance(message, Mapping) else {}
    path = result_folder() / "ondes.zip"
    lines = ["# Sounds of the demo of ondes", ""]
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, track in enumerate(tracks[:32], 1):
            name = f"{number:02d}_{_plain(track.get('file') or track.get('name'))}.wav"
            archive.write(owned_path(str(track["path"])), name)
            lines.append(f"- `{name}`: {str(track.get('label'))[:80]}")
        settings = json.dumps(about.get("settings"), indent=2, ensure_ascii=False)
        lines += ["", "## Settings", "", "```json", settings[:20000], "```", ""]
        lines += ["## Command", "", "```bash", str(about.get("shell"))[:20000], "```", ""]
        lines += ["## Python", "", "```python", str(about.get("python"))[:20000], "```", ""]
        archive.writestr("README.md", "\n".join(lines))
    return str(path)


def _plain(name: Any) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in str(name)[:60])
