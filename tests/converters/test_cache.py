"""The store: whole or not at all, shared, checked, and clear about its disk."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from converters import cache
from harness.errors import StoreError

KEY = "ab" * 32


def _store(root: Path, content: bytes = b"weights", key: str = KEY) -> Path:
    with cache.draft(root) as draft:
        (draft / "model.tflite").write_bytes(content)
        (draft / "deep").mkdir()
        (draft / "deep" / "input_0.npy").write_bytes(b"data")
        return cache.publish(root, "builds", key, draft)


def test_what_was_published_is_found_and_another_key_is_not(tmp_path: Path) -> None:
    folder = _store(tmp_path)
    assert cache.find(tmp_path, "builds", KEY).folder == str(folder)
    assert (folder / "model.tflite").read_bytes() == b"weights"
    assert cache.find(tmp_path, "builds", "cd" * 32) == cache.Found()
    assert cache.find(tmp_path, "other kind", KEY) == cache.Found()


def test_a_draft_that_is_not_published_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), cache.draft(tmp_path) as draft:
        (draft / "half").write_bytes(b"x")
        raise RuntimeError
    assert not list((tmp_path / "drafts").iterdir())


def _flip(folder: Path) -> None:
    (folder / "model.tflite").write_bytes(b"weighty")


def _remove(folder: Path) -> None:
    (folder / "deep" / "input_0.npy").unlink()


def _add(folder: Path) -> None:
    (folder / "extra").touch()


def _spoil(folder: Path) -> None:
    (folder / cache.SUMS).write_bytes(b"{")


@pytest.mark.parametrize("damage", [_flip, _remove, _add, _spoil])
def test_a_damaged_entry_is_dropped_with_a_warning(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = _store(tmp_path)
    damage(folder)
    found = cache.find(tmp_path, "builds", KEY)
    assert found.folder == ""
    assert "damaged" in found.warning
    assert not folder.exists()
    assert cache.find(tmp_path, "builds", KEY) == cache.Found()


def test_a_damaged_entry_can_be_published_again(tmp_path: Path) -> None:
    _flip(_store(tmp_path))
    assert (_store(tmp_path) / "model.tflite").read_bytes() == b"weights"
    assert cache.find(tmp_path, "builds", KEY).folder


def test_the_second_of_two_equal_results_leaves_the_first_in_its_place(tmp_path: Path) -> None:
    first = _store(tmp_path)
    before = (first / "model.tflite").stat().st_ino
    assert _store(tmp_path) == first
    assert (first / "model.tflite").stat().st_ino == before


def test_another_result_under_the_same_key_replaces_the_first(tmp_path: Path) -> None:
    _store(tmp_path, b"old")
    assert (_store(tmp_path, b"new") / "model.tflite").read_bytes() == b"new"
    assert cache.find(tmp_path, "builds", KEY).folder


def test_many_writers_of_one_entry_leave_one_sound_entry(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: _store(tmp_path), range(40)))
    assert cache.find(tmp_path, "builds", KEY).folder
    assert not list((tmp_path / "drafts").iterdir())


def test_only_one_holds_the_lock_of_a_key_and_other_keys_go_on(tmp_path: Path) -> None:
    inside, both = [0], []

    def work() -> None:
        with cache.lock(tmp_path, KEY):
            inside[0] += 1
            both.append(inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    with cache.lock(tmp_path, "another"):
        pass
    for thread in threads:
        thread.join()
    assert both == [1, 1, 1, 1]


def test_drafts_of_killed_processes_are_swept_after_days_and_not_before(tmp_path: Path) -> None:
    drafts = tmp_path / "drafts"
    (drafts / "old").mkdir(parents=True)
    (drafts / "young").mkdir()
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(drafts / "old", (long_ago, long_ago))
    with cache.draft(tmp_path):
        assert not (drafts / "old").exists()
        assert (drafts / "young").exists()


def test_a_folder_that_cannot_be_made_is_a_store_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    root = tmp_path / "file" / "cache"
    with pytest.raises(StoreError, match="cannot be used: Not a directory") as refused, cache.draft(root):
        pass
    assert str(root) in refused.value.message
    assert "another cache folder" in refused.value.remedy
    with pytest.raises(StoreError), cache.lock(root, KEY):
        pass


def test_a_cache_on_a_file_system_that_takes_no_files_is_a_store_error() -> None:
    with pytest.raises(StoreError), cache.draft(Path("/proc/pocketbench")):
        pass


def test_a_full_disk_is_told_from_other_trouble(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is full") as refused, cache.store_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "free some space" in refused.value.remedy


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_writing_to_a_disk_without_space_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is full"), cache.draft(tmp_path) as draft:
        (draft / cache.SUMS).symlink_to("/dev/full")
        cache.publish(tmp_path, "builds", KEY, draft)
