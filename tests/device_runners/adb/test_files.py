"""The store on a device: content names, one push, oldest out first; played on this machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from device_runners.adb import files
from device_runners.adb.errors import DeviceFull, PushFailed
from device_runners.adb.files import Store
from device_runners.adb.host_link import HostLink
from harness.errors import RunnerError
from tests.fakes.links import FakeLink


class Counting(HostLink):
    """Counts what is pushed."""

    def __init__(self) -> None:
        self.pushed: list[str] = []

    def push(self, source: Path, target: str, *, mode: int = 0o644, timeout_secs: float) -> None:
        self.pushed.append(target)
        super().push(source, target, mode=mode, timeout_secs=timeout_secs)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path / "pocketbench"), most_bytes=10_000)


def model(folder: Path, name: str, size: int) -> Path:
    path = folder / name
    path.write_bytes(name.encode() + b"x" * (size - len(name)))
    return path


def aged(store: Store, path: str, hours: int) -> None:
    then = Path(path).stat().st_mtime - 3600 * hours
    os.utime(path, (then, then))


def test_a_file_is_named_by_its_content_and_pushed_once(store: Store, tmp_path: Path) -> None:
    link, source = Counting(), model(tmp_path, "Model X.TFLite", 3000)
    path = files.place(link, source, timeout_secs=10, mode=0o755, store=store)
    assert path == f"{store.folder}/{hashlib.sha256(source.read_bytes()).hexdigest()}.tflite"
    assert Path(path).read_bytes() == source.read_bytes()
    assert Path(path).stat().st_mode & 0o777 == 0o755
    assert "/.incoming-" in link.pushed[0]
    assert files.place(link, source, timeout_secs=10, store=store) == path
    assert len(link.pushed) == 1
    assert Path(path).stat().st_mode & 0o777 == 0o644
    assert [one.name for one in Path(store.folder).iterdir()] == [Path(path).name]


def test_a_file_that_was_changed_on_the_device_is_never_used(store: Store, tmp_path: Path) -> None:
    link, source = Counting(), model(tmp_path, "a.pte", 3000)
    path = files.place(link, source, timeout_secs=10, store=store)
    Path(path).write_bytes(b"something else")
    assert files.place(link, source, timeout_secs=10, store=store) == path
    assert Path(path).read_bytes() == source.read_bytes()
    assert len(link.pushed) == 2


def test_what_was_not_used_for_the_longest_time_goes_first(store: Store, tmp_path: Path) -> None:
    link = HostLink()
    old, older, new = (model(tmp_path, name, 4000) for name in ("old.pte", "older.pte", "new.pte"))
    paths = [files.place(link, one, timeout_secs=10, store=store) for one in (old, older)]
    aged(store, paths[0], 2)
    aged(store, paths[1], 3)
    kept = files.place(link, new, timeout_secs=10, store=store)
    left = {one.name for one in files.listed(link, store=store)}
    assert left == {Path(paths[0]).name, Path(kept).name}


def test_a_use_makes_a_file_young_again(store: Store, tmp_path: Path) -> None:
    link = HostLink()
    first, second, third = (model(tmp_path, name, 4000) for name in ("1.pte", "2.pte", "3.pte"))
    paths = [files.place(link, one, timeout_secs=10, store=store) for one in (first, second)]
    aged(store, paths[0], 3)
    aged(store, paths[1], 2)
    files.place(link, first, timeout_secs=10, store=store)
    files.place(link, third, timeout_secs=10, store=store)
    assert not Path(paths[1]).exists()
    assert Path(paths[0]).exists()


def test_half_a_file_of_an_earlier_run_goes_and_one_on_its_way_stays(store: Store, tmp_path: Path) -> None:
    link = HostLink()
    files.place(link, model(tmp_path, "a.pte", 100), timeout_secs=10, store=store)
    stale, fresh = Path(store.folder, ".incoming-aa"), Path(store.folder, ".incoming-bb")
    for one in (stale, fresh):
        one.write_bytes(b"x" * 100)
    aged(store, str(stale), 2)
    files.make_room(link, 100, store=store)
    assert not stale.exists()
    assert fresh.exists()


def test_a_file_larger_than_the_store_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DeviceFull, match=r"a file of 10001 bytes: the store on the device may hold 10000"):
        files.place(HostLink(), model(tmp_path, "a.pte", 10_001), timeout_secs=10, store=store)


def test_a_model_that_cannot_be_read_is_told(store: Store, tmp_path: Path) -> None:
    with pytest.raises(PushFailed, match="cannot be read"):
        files.place(HostLink(), tmp_path / "none.pte", timeout_secs=10, store=store)


def test_cleaning_gives_the_space_back_and_touches_nothing_else(store: Store, tmp_path: Path) -> None:
    link = HostLink()
    files.place(link, model(tmp_path, "a.pte", 9000), timeout_secs=10, store=store)
    assert files.clean(link, store=store) >= 9000
    assert files.clean(link, store=store) == 0
    assert [one.name for one in tmp_path.iterdir()] == ["a.pte"]


@pytest.mark.parametrize("root", ["/", "/data", "", "/data/local/tmp", "pocketbench", "/pocketbench"])
def test_only_a_folder_of_ours_is_ever_cleaned(root: str) -> None:
    with pytest.raises(RunnerError, match="no folder of ours"):
        files.clean(FakeLink(), store=Store(root=root))


def test_a_name_from_the_device_is_not_trusted(store: Store) -> None:
    listing = "1000\n10 5 ../../etc/passwd\n10 5 x y\nrubbish\n10 z " + "a" * 64 + "\n990 7 " + "b" * 64 + ".pte\n"
    link = FakeLink().on_script("date +%s", listing)
    assert files.listed(link, store=store) == [files.Kept(name="b" * 64 + ".pte", size_bytes=7, age_secs=10)]
    with pytest.raises(RunnerError, match="no name in the store"):
        files.remove(link, ["../x"], store=store)


def test_a_device_without_sha256sum_is_told(store: Store, tmp_path: Path) -> None:
    link = FakeLink().on_script("echo absent", 1)
    with pytest.raises(RunnerError) as raised:
        files.place(link, model(tmp_path, "a.pte", 100), timeout_secs=10, store=store)
    assert "sha256sum" in raised.value.remedy
