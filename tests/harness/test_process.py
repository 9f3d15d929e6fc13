"""The one door for child processes, with real children."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import process
from harness.errors import ProcessCrashed, ProcessError, ProcessMemory, ProcessTimeout, StoreError
from harness.process import Bounds, Child, execute

BOUNDS = Bounds(timeout_secs=30)
ECHO = "import sys\nfor line in sys.stdin: print('heard', line.strip(), flush=True)"
SLEEPING_GRANDCHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("grandchild", child.pid, flush=True)
"""


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def is_alive(pid: int) -> bool:
    """A process that ended and was not waited for is not alive."""
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def eventually_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def grandchild_in(log: Path) -> int:
    deadline = time.monotonic() + 20
    while "grandchild" not in (text := log.read_text() if log.exists() else "") and time.monotonic() < deadline:
        time.sleep(0.02)
    return int(text.split()[1])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "child.log"


@pytest.fixture
def talker(log: Path) -> Iterator[Child]:
    with contextlib.closing(Child(python(ECHO), log=log)) as child:
        yield child


def test_output_and_errors_of_a_child_are_kept_in_the_log(log: Path) -> None:
    program = "import sys; print('to output', flush=True); print('to errors', file=sys.stderr)"
    execute(python(program), bounds=BOUNDS, log=log)
    assert log.read_text() == "to output\nto errors\n"


def test_a_log_is_continued_and_the_tail_is_of_the_last_child(log: Path) -> None:
    execute(python("print('the first')"), bounds=BOUNDS, log=log)
    with pytest.raises(ProcessCrashed) as caught:
        execute(python("print('the second'); raise SystemExit(7)"), bounds=BOUNDS, log=log)
    assert caught.value.output_tail == "the second\n"
    assert caught.value.returncode == 7
    assert log.read_text() == "the first\nthe second\n"


def test_a_child_gets_its_environment_and_folder_and_no_input(log: Path, tmp_path: Path) -> None:
    program = "import os, sys; print(os.environ['WHO'], os.getcwd(), repr(sys.stdin.read()))"
    execute(python(program), bounds=BOUNDS, log=log, env={"WHO": "you"}, cwd=tmp_path)
    assert log.read_text() == f"you {tmp_path} ''\n"


def test_processor_time_of_a_child_is_told(log: Path) -> None:
    program = "import time\nwhile time.process_time() < 0.3: pass"
    done = execute(python(program), bounds=BOUNDS, log=log)
    assert 0.3 <= done.cpu_secs < 3
    assert done.seconds >= 0.3


def test_a_child_that_runs_too_long_is_killed_with_its_descendants(log: Path) -> None:
    program = SLEEPING_GRANDCHILD + "time.sleep(60)"
    with pytest.raises(ProcessTimeout, match=r"limit of 3 s") as caught:
        execute(python(program), bounds=Bounds(timeout_secs=3), log=log)
    assert caught.value.remedy
    assert "grandchild" in caught.value.output_tail
    assert eventually_gone(grandchild_in(log))


def test_what_a_child_leaves_behind_is_killed_when_it_ends_well(log: Path) -> None:
    execute(python(SLEEPING_GRANDCHILD), bounds=BOUNDS, log=log)
    assert eventually_gone(grandchild_in(log))


def test_a_child_that_uses_too_much_memory_is_killed(log: Path) -> None:
    program = "import time; print('taking', flush=True); hog = b'x' * 300_000_000; time.sleep(60)"
    with pytest.raises(ProcessMemory, match="limit of 150 MB") as caught:
        execute(python(program), bounds=Bounds(timeout_secs=30, memory_limit_mb=150), log=log)
    assert caught.value.output_tail == "taking\n"


def test_memory_of_descendants_counts(log: Path) -> None:
    program = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import time; hog = b'x' * 300_000_000; time.sleep(60)"])
"""
    with pytest.raises(ProcessMemory):
        execute(python(program), bounds=Bounds(timeout_secs=30, memory_limit_mb=150), log=log)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_child_that_is_ended_by_a_signal_says_which(log: Path, ending: signal.Signals) -> None:
    program = f"import os; os.kill(os.getpid(), {ending.value})"
    with pytest.raises(ProcessCrashed, match=ending.name) as caught:
        execute(python(program), bounds=BOUNDS, log=log)
    assert caught.value.returncode == -ending


def test_a_signal_without_a_name_is_told_by_its_number(log: Path) -> None:
    with pytest.raises(ProcessCrashed, match="signal 40"):
        execute(python("import os; os.kill(os.getpid(), 40)"), bounds=BOUNDS, log=log)


def test_only_the_end_of_a_long_output_is_carried_along(log: Path) -> None:
    program = "print('x' * 100_000); print('the end'); raise SystemExit(1)"
    with pytest.raises(ProcessCrashed) as caught:
        execute(python(program), bounds=BOUNDS, log=log)
    assert len(caught.value.output_tail) == process.TAIL_BYTES
    assert caught.value.output_tail.endswith("the end\n")


def test_a_program_that_is_not_there_is_named(log: Path) -> None:
    with pytest.raises(ProcessError, match="no-such-program cannot be started: No such file"):
        execute(["no-such-program"], bounds=BOUNDS, log=log)


def test_a_log_that_cannot_be_written_is_named_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    log, mark = tmp_path / "file" / "child.log", tmp_path / "mark"
    with pytest.raises(StoreError, match=r"child\.log cannot be written"):
        execute(python(f"open({str(mark)!r}, 'w')"), bounds=BOUNDS, log=log)
    assert not mark.exists()


def test_an_interrupt_ends_the_child_and_is_passed_on(log: Path) -> None:
    program = "import os, time; print('grandchild', os.getpid(), flush=True); time.sleep(60)"

    def interrupt() -> None:
        grandchild_in(log)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        execute(python(program), bounds=BOUNDS, log=log)
    assert eventually_gone(grandchild_in(log))


def test_all_children_of_all_threads_can_be_stopped(tmp_path: Path) -> None:
    caught: list[ProcessCrashed] = []
    program = "import os, time; print('grandchild', os.getpid(), flush=True); time.sleep(60)"

    def run(log: Path) -> None:
        try:
            execute(python(program), bounds=BOUNDS, log=log)
        except ProcessCrashed as error:
            caught.append(error)

    logs = [tmp_path / f"{number}.log" for number in range(3)]
    threads = [threading.Thread(target=run, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    pids = [grandchild_in(log) for log in logs]
    process.stop_all()
    for thread in threads:
        thread.join(10)
    assert [error.returncode for error in caught] == [-signal.SIGKILL] * 3
    assert all(eventually_gone(pid) for pid in pids)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        ([sys.executable, "-m", "json.tool", "no-such-file"], "json.tool"),
        ([sys.executable, "-X", "utf8", "-m", "json.tool", "no-such-file"], "json.tool"),
        ([sys.executable, "missing/script.py", "-m"], "script.py"),
        (["/bin/false"], "false"),
    ],
)
def test_a_child_is_called_by_what_it_runs(log: Path, argv: list[str], name: str) -> None:
    with pytest.raises(ProcessCrashed, match=rf"^{name} ended with exit code"):
        execute(argv, bounds=BOUNDS, log=log)


def test_a_child_answers_line_by_line(talker: Child) -> None:
    for word in ("one", "two"):
        talker.send(word)
        assert talker.receive(timeout_secs=20) == f"heard {word}"
    talker.finish(timeout_secs=20)


def test_lines_that_came_together_are_answers_of_their_own(log: Path) -> None:
    with contextlib.closing(Child(python("print('one\\ntwo')"), log=log)) as child:
        assert [child.receive(timeout_secs=20), child.receive(timeout_secs=20)] == ["one", "two"]


def test_a_silent_child_is_killed_and_its_log_told(log: Path) -> None:
    program = "import sys, time; print('still here', file=sys.stderr, flush=True); time.sleep(60)"
    with contextlib.closing(Child(python(program), log=log)) as child:
        with pytest.raises(ProcessTimeout) as caught:
            child.receive(timeout_secs=3)
        assert eventually_gone(child.pid)
    assert caught.value.output_tail == "still here\n"


def test_a_line_that_a_dying_child_did_not_finish_is_no_answer(log: Path) -> None:
    program = "import sys; sys.stdout.write('don'); sys.stdout.flush(); sys.exit(3)"
    with contextlib.closing(Child(python(program), log=log)) as child, pytest.raises(ProcessCrashed) as caught:
        child.receive(timeout_secs=20)
    assert caught.value.returncode == 3


def test_a_child_that_is_killed_between_two_lines_is_a_crash(talker: Child) -> None:
    os.kill(talker.pid, signal.SIGKILL)
    assert eventually_gone(talker.pid)
    with pytest.raises(ProcessCrashed, match="SIGKILL"):
        talker.send("hello")
        talker.receive(timeout_secs=20)


def test_the_end_of_a_child_is_seen_though_a_descendant_holds_its_output_open(log: Path) -> None:
    started = time.monotonic()
    with contextlib.closing(Child(python(SLEEPING_GRANDCHILD), log=log)) as child:
        grandchild = int(child.receive(timeout_secs=20).split()[1])
        with pytest.raises(ProcessCrashed, match="exit code 0"):
            child.receive(timeout_secs=50)
    assert time.monotonic() - started < 20
    assert eventually_gone(grandchild)


def test_a_talking_child_is_held_to_its_memory(log: Path) -> None:
    program = "import time; hog = b'x' * 300_000_000; time.sleep(60)"
    child = Child(python(program), log=log, memory_limit_mb=150)
    with contextlib.closing(child), pytest.raises(ProcessMemory):
        child.receive(timeout_secs=30)


def test_a_child_that_never_ends_its_line_is_stopped(log: Path) -> None:
    program = "import sys\nwhile True: sys.stdout.write('x' * 4096)"
    child = Child(python(program), log=log)
    with contextlib.closing(child), pytest.raises(ProcessError, match="a line of more than"):
        child.receive(timeout_secs=30)


def test_a_child_that_does_not_end_is_stopped(log: Path) -> None:
    with contextlib.closing(Child(python("import time; time.sleep(60)"), log=log)) as child:
        with pytest.raises(ProcessTimeout):
            child.finish(timeout_secs=0.5)
        assert eventually_gone(child.pid)


def test_closing_ends_a_child_at_any_time_and_more_than_once(log: Path) -> None:
    child = Child(python("import time; time.sleep(60)"), log=log)
    child.close()
    assert eventually_gone(child.pid)
    child.close()


def test_no_descriptor_is_left_open(log: Path) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    for _ in range(3):
        execute(python("pass"), bounds=BOUNDS, log=log)
        Child(python(ECHO), log=log).close()
        with pytest.raises(ProcessError):
            execute(["no-such-program"], bounds=BOUNDS, log=log)
    assert opened() == before


def test_memory_of_a_process_that_is_gone_is_nothing(talker: Child) -> None:
    assert process.tree_rss_mb(talker.pid) > 0
    talker.close()
    assert process.tree_rss_mb(talker.pid) == 0
