"""What the system is asked about this process and this machine."""

from __future__ import annotations

import mmap
import os
import sys
import threading
from pathlib import Path

import pytest

from device_runners import linux, memory


def test_a_file_that_the_system_does_not_have_is_an_empty_answer(tmp_path: Path) -> None:
    assert linux.text_of(tmp_path / "missing") == ""
    assert linux.text_of(tmp_path) == ""


def test_the_first_of_several_lines_of_a_key_counts() -> None:
    text = "processor : 0\nmodel name : One\nprocessor : 1\nmodel name : Two\n\nno separator"
    assert linux.fields_of(text) == {"processor": "0", "model name": "One", "": "", "no separator": ""}


def test_this_process_is_told_about() -> None:
    high, now = linux.status_kb("VmHWM"), linux.status_kb("VmRSS")
    assert high is not None and now is not None and high >= now * 0.9 > 1000
    assert linux.status_kb("NoSuchLine") is None
    assert set(linux.scheduler_counts()) <= {"cpu_migrations", "involuntary_switches"}
    assert linux.usable_cores() == len(os.sched_getaffinity(0))
    assert linux.memory_mb() > 100 and linux.cpu_model()


def test_threads_are_counted() -> None:
    before, done = linux.thread_count(), threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    assert linux.thread_count() == before + 1
    done.set()
    thread.join()


def test_waiting_of_all_threads_only_grows() -> None:
    first, second = linux.run_queue_wait_ns(), linux.run_queue_wait_ns()
    assert first is not None and second is not None and 0 <= first <= second


def touch(megabytes: int) -> None:
    """Use so much memory and give it back for certain, which malloc does as it likes."""
    with mmap.mmap(-1, megabytes * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as hog:
        for place in range(0, len(hog), mmap.PAGESIZE):
            hog[place] = 1


@pytest.mark.skipif(sys.platform != "linux", reason="the mark can be reset on Linux only")
def test_the_high_water_mark_is_of_what_came_after_it() -> None:
    touch(60)  # a peak from before the mark is none of ours
    start = memory.mark()
    touch(20)
    found = memory.since(start)
    assert found.method == memory.RESET
    assert 19 < found.peak_rss_mb < 40
    assert found.total_peak_rss_mb >= found.peak_rss_mb
    assert found.anonymous_mb is not None and found.anonymous_mb < 10, "it was given back"


def test_memory_from_a_file_and_memory_of_its_own_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * (16 * 2**20))
    start = memory.mark()
    with open(tmp_path / "data", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) > 0
        own = bytearray(8 * 2**20)
        found = memory.since(start)
    assert len(own) and found.file_backed_mb is not None and found.anonymous_mb is not None
    assert 15 < found.file_backed_mb < 20
    assert 7 < found.anonymous_mb < 12


def test_where_the_mark_cannot_be_reset_the_method_says_so() -> None:
    start = memory.Mark(peak_kb=1000, anonymous_kb=None, file_backed_kb=None, method=memory.NOT_RESET)
    found = memory.since(start)
    assert found.method == "ru_maxrss, mark not reset"
    assert found.total_peak_rss_mb > 10 and found.peak_rss_mb == pytest.approx(found.total_peak_rss_mb - 1000 / 1024)
    assert found.anonymous_mb is None
