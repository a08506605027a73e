"""Models are found, named, loaded once and dropped."""

import json
import threading
import time

import pytest

from demo import library as module
from demo.library import Entry, Library, find_entries, target_processor
from demo.tabs.vocoder import SOLVERS
from vocoders.core.errors import ConfigError


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
    assert entries["tiny-turbo"].title == "PeriodWave-Turbo"
    assert entries["tiny-digits"].sample_rate == 8000
    assert all(entry.num_parameters > 0 for entry in entries.values())


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
    with pytest.raises(ConfigError, match="is no folder"):
        find_entries([tmp_path / "absent"])


def test_learned_effects_find_their_true_ones(entries) -> None:
    knobs = {"comp": ("threshold", "ratio", "time"), "comp_4c": ("threshold", "ratio", "attack", "release")}
    assert target_processor(entries["comp4c-tiny"], knobs) == "comp_4c"
    # The name alone does not suffice.
    assert target_processor(entries["comp4c-tiny"], {"comp_4c": ("threshold",)}) is None
    assert target_processor(entries["mystery"], knobs) is None


class _Weights:
    def __init__(self, count: int) -> None:
        self.count = count

    def numel(self) -> int:
        return self.count


class _Model:
    def __init__(self, count: int) -> None:
        self.count = count

    def parameters(self) -> list[_Weights]:
        return [_Weights(self.count)]


@pytest.fixture
def counted(entries, monkeypatch):
    """A library whose loads are counted."""
    loads = []

    def load(path):
        loads.append(path.name)
        time.sleep(0.05)
        return _Model(100)

    monkeypatch.setattr(module, "_loader", lambda kind: load)
    return Library(entries.values(), capacity_bytes=2 * 400), loads


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


def test_what_the_page_repeats_is_what_the_library_says(entries) -> None:
    from vocoders.flow import SOLVERS as known
    from vocoders.registry import DEFAULT_VOCODER

    assert known == SOLVERS
    assert DEFAULT_VOCODER == module.DEFAULT_VOCODER
    assert Library(entries.values()).of_kind("vocoder")[0].name == DEFAULT_VOCODER
