"""Files and folders appear whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from vocoders.core.atomic import atomic_file, atomic_folder
from vocoders.core.errors import ConfigError, DataError, DiskError


def test_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.txt"
    with atomic_file(path, durable=True) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["x.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_keeps_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "y").write_text("old")

    def fail_halfway(target: AbstractContextManager[Path], name: str) -> None:
        with target as temporary:
            (temporary / name).write_text("half")
            raise error

    with pytest.raises(error):
        fail_halfway(atomic_file(tmp_path / "x"), "")
    with pytest.raises(error):
        fail_halfway(atomic_folder(tmp_path / "folder", overwrite=True), "y")
    assert (tmp_path / "x").read_text() == "old"
    assert (tmp_path / "folder" / "y").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "x"]


def test_kill_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    code = (
        "import time; from vocoders.core.atomic import atomic_file\n"
        f"with atomic_file({str(tmp_path / 'x')!r}) as temporary:\n"
        "    temporary.write_text('half'); print('writing', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (tmp_path / "x").read_text() == "old"


def test_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for content in ("first", "second"):
        with atomic_folder(path, overwrite=True) as temporary:
            (temporary / content).write_text(content)
        assert [file.name for file in path.iterdir()] == [content]
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").mkdir()
    refused = [
        (atomic_file, tmp_path / "file", False, "exists"),
        (atomic_file, tmp_path / "folder", True, "is a folder"),
        (atomic_file, tmp_path / "file" / "below" / "deep", True, "file is a file"),
        (atomic_folder, tmp_path / "folder", False, "exists"),
        (atomic_folder, tmp_path / "file", True, "is a file"),
        (atomic_folder, tmp_path / "file" / "below", True, "file is a file"),
    ]
    for function, path, overwrite, cause in refused:
        with pytest.raises(DataError, match=cause), function(path, overwrite=overwrite):
            pass
    monkeypatch.chdir(tmp_path / "folder" / "inner")
    with pytest.raises(DataError, match="working directory"), atomic_folder(tmp_path / "folder", overwrite=True):
        pass


def test_longest_possible_name_and_links(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    with atomic_file(path) as temporary:
        temporary.write_text("new")
    link = tmp_path / "link"
    link.symlink_to(path)
    with atomic_file(link) as temporary:
        temporary.write_text("newer")
    assert link.is_symlink()
    assert path.read_text() == "newer"


def test_usual_permissions(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "ours") as temporary:
        temporary.write_text("")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_two_writers_of_one_folder_leave_that_of_one_of_them(tmp_path: Path) -> None:
    target, failures = tmp_path / "model", []

    def write(name: str) -> None:
        try:
            for _ in range(40):
                with atomic_folder(target, overwrite=True) as folder:
                    for part in ("a", "b", "c"):
                        (folder / part).write_text(name)
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in "xyz"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failures
    assert len({(target / part).read_text() for part in ("a", "b", "c")}) == 1
    assert os.listdir(tmp_path) == ["model"]


def test_without_overwriting_the_first_of_two_writers_stays(tmp_path: Path) -> None:
    def write_file() -> None:
        with atomic_file(tmp_path / "x", overwrite=False) as temporary:
            temporary.write_text("second")
            (tmp_path / "x").write_text("first")

    def write_folder() -> None:
        with atomic_folder(tmp_path / "y") as folder:
            (folder / "a").write_text("second")
            (tmp_path / "y").mkdir()
            (tmp_path / "y" / "a").write_text("first")

    for write in (write_file, write_folder):
        with pytest.raises(DataError):
            write()
    assert (tmp_path / "x").read_text() == "first"
    assert (tmp_path / "y" / "a").read_text() == "first"
    assert sorted(os.listdir(tmp_path)) == ["x", "y"]


def test_a_folder_that_vanishes_is_the_cause_that_is_told(tmp_path: Path) -> None:
    def write(vanishes: bool) -> None:
        with atomic_folder(tmp_path / "mount" / "model") as temporary:
            (temporary / "part").write_text("x")
            if vanishes:
                (tmp_path / "mount").rename(tmp_path / "away")
            raise ConfigError("another error")

    with pytest.raises(ConfigError):
        write(vanishes=False)
    with pytest.raises(DataError, match="vanished"):
        write(vanishes=True)


def test_a_disk_that_can_only_be_read_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def refuse(self: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if self.name.startswith(".ondes-"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        make(self, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DiskError), atomic_folder(tmp_path / "model"):
        pass
    assert not list(tmp_path.iterdir())
