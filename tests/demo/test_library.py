"""Models are found, named, loaded once and dropped."""

import dataclasses
import json
import shutil
import sys
import threading
import time
import types

import pytest
import safetensors.numpy

from demo import library as module
from demo.library import Entry, Library, find_entries, target_processor
from vocoders.core.errors import ConfigError
from vocoders.core.options import SynthesisOptions, option
from vocoders.interface import Vocoder, WaveformGenerator
from vocoders.registry import BASELINES, FAMILIES, VocoderFamily, default_vocoder


@pytest.fixture
def entries(model_folder) -> dict[str, Entry]:
    return {entry.name: entry for entry in find_entries([model_folder])}


def test_every_family_is_found_with_its_use(entries) -> None:
    kinds = {name: entry.kind for name, entry in entries.items()}
    wanted = {"tiny-turbo": "vocoder", "tiny-digits": "generator", "comp4c-tiny": "effect", "mystery": "effect"}
    assert wanted.items() <= kinds.items()
    assert kinds["wavehax-24k"] == "vocoder"
    assert entries["wavehax-24k"].is_shipped
    assert not entries["tiny-turbo"].is_shipped
    assert entries["tiny-turbo"].title == entries["periodwave-turbo-24k"].title == "PeriodWave-Turbo"
    assert entries["periodwave-harmonic-24k"].title == "PeriodWave"
    assert entries["tiny-digits"].sample_rate == 8000
    assert all(entry.num_parameters > 0 for entry in entries.values() if entry.path is not None)
    assert {name for name, entry in entries.items() if entry.path is None} == set(BASELINES)


def test_a_model_folder_itself_and_results_of_recipes_are_found(model_folder, tmp_path) -> None:
    names = [entry.name for entry in find_entries([model_folder / "mystery"])]
    assert "mystery" in names
    result = tmp_path / "exp" / "digits" / "model"
    result.parent.mkdir(parents=True)
    result.symlink_to(model_folder / "tiny-digits")
    assert "tiny-digits" in [entry.name for entry in find_entries([tmp_path])]


def test_equal_names_are_told_apart(model_folder) -> None:
    names = [entry.name for entry in find_entries([model_folder, model_folder / "mystery"])]
    assert len(set(names)) == len(names)
    assert "mystery-2" in names


def test_damaged_folders_are_left_out(tmp_path, model_folder) -> None:
    for name, content in {"future": {"format": 99}, "broken": "not json", "empty": {}}.items():
        (tmp_path / name).mkdir()
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name / "config.json").write_text(text)
        (tmp_path / name / "model.safetensors").write_bytes(b"nonsense")
    names = {entry.name for entry in find_entries([tmp_path])}
    assert not names & {"future", "broken", "empty"}
    with pytest.raises(ConfigError, match="is not a folder"):
        find_entries([tmp_path / "absent"])


def test_learned_effects_find_their_true_ones(entries) -> None:
    knobs = {"comp": ("threshold", "ratio", "time"), "comp_4c": ("threshold", "ratio", "attack", "release")}
    assert target_processor(entries["comp4c-tiny"], knobs) == "comp_4c"
    # The name alone does not suffice.
    assert target_processor(entries["comp4c-tiny"], {"comp_4c": ("threshold",)}) is None
    assert target_processor(entries["mystery"], knobs) is None


@pytest.fixture
def counted(entries, monkeypatch):
    """A library of systems of 400 bytes whose loads are counted."""
    loads = []

    def load(entry, runtime):
        loads.append(entry.name)
        time.sleep(0.05)
        return object()

    monkeypatch.setattr(module, "_load", load)
    small = [dataclasses.replace(entry, size_bytes=400) for entry in entries.values()]
    return Library(small, capacity_bytes=2 * 400), loads


def test_memory_is_bounded_and_the_least_recently_used_leave(counted) -> None:
    library, loads = counted
    for name in ("tiny-turbo", "tiny-digits", "tiny-turbo", "mystery"):
        library.load(name)
    assert library.loaded_names == ["tiny-turbo", "mystery"]
    assert library.loaded_bytes == 800
    library.load("tiny-digits")
    assert loads == ["tiny-turbo", "tiny-digits", "mystery", "tiny-digits"]


def test_requests_at_the_same_time_load_a_model_once(counted) -> None:
    library, loads = counted
    models = []
    threads = [threading.Thread(target=lambda: models.append(library.load("mystery"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["mystery"]
    assert len({id(model) for model in models}) == 1


@pytest.mark.parametrize("name", ["/etc", "../weights/wavehax-24k", "openai/whisper", "", None, 3])
def test_only_listed_names_are_loaded(counted, name) -> None:
    library, loads = counted
    with pytest.raises(ConfigError, match="choose one from the list"):
        library.load(name)
    assert not loads


def test_the_default_vocoder_comes_first_and_baselines_last(entries) -> None:
    names = [entry.name for entry in Library(entries.values()).of_kind("vocoder")]
    assert names[0] == default_vocoder()
    assert names[-len(BASELINES) :] == list(BASELINES)


def test_what_files_and_registries_say_is_what_the_system_is(entries) -> None:
    library = Library(entries.values())
    for entry in entries.values():
        system = library.load(entry.name)
        assert system.sample_rate == entry.sample_rate, entry.name
        if entry.kind == "effect":
            continue
        assert isinstance(system, Vocoder if entry.kind == "vocoder" else WaveformGenerator)
        assert system.kind == entry.kind
        # The page shows them before torch is imported.
        assert system.default_options == entry.options
        if entry.kind == "generator":
            assert system.labels == entry.labels
            assert ("guidance" in {option.name for option in entry.declared}) == bool(system.labels)


def test_a_folder_cannot_take_the_name_of_a_baseline(model_folder, tmp_path) -> None:
    (tmp_path / "world").symlink_to(model_folder / "tiny-turbo")
    shutil.copytree(model_folder / "tiny-turbo", tmp_path / "griffin-lim")
    found = {entry.name: entry for entry in find_entries([tmp_path])}
    assert found["griffin-lim"].path is None
    assert found["griffin-lim-2"].family == "periodwave"


def test_families_of_installed_packages_are_listed_as_they_describe_themselves(tmp_path, monkeypatch) -> None:
    class ChimeOptions(SynthesisOptions):
        """Options of a family that nobody has heard of."""

        warmth: float = option(0.5, dial=(0, 1))
        """Warmth."""

    family = VocoderFamily("chime", "Chime", "chime:Chime", options="chime:ChimeOptions", kind="generator")
    monkeypatch.setitem(FAMILIES, "chime", family)
    monkeypatch.setitem(sys.modules, "chime", types.SimpleNamespace(ChimeOptions=ChimeOptions))
    config = {"format": 1, "family": "chime", "config": {"sampling": {"warmth": 0.25}, "labels": ["small", "large"]}}
    (tmp_path / "bells").mkdir()
    (tmp_path / "bells" / "config.json").write_text(json.dumps(config))
    safetensors.numpy.save_file({}, tmp_path / "bells" / "model.safetensors")
    entry = next(entry for entry in find_entries([tmp_path]) if entry.name == "bells")
    assert (entry.kind, entry.label, entry.labels) == ("generator", "bells (Chime)", ("small", "large"))
    assert entry.options == ChimeOptions(warmth=0.25)
    assert [found.name for found in entry.declared] == ["warmth"]
