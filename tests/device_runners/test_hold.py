"""device_runners/hold.py, its scripts run for real in a shell with stand-ins for Android's commands."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from device_runners import holder
from device_runners.adb.link import Output
from device_runners.hold import FIXED, LEFT_ALONE, Hold, other
from device_runners.holder import Holder
from harness.errors import RunnerError
from tests.fakes.links import FakeLink


class Phone(FakeLink):
    """Scripts run in a real shell; `settings`, `cmd` and `svc` keep their values in files and write a journal."""

    def __init__(self, root: Path, *, offers: bool = True, sleep: str = "exit 0") -> None:
        super().__init__()
        self.root = root
        (root / "bin").mkdir()
        (root / "stay_on").write_text("0\n")
        (root / "fixed").write_text("false\n")
        refusal = "" if offers else "echo 'Failed to set FIXED_PERFORMANCE mode' >&2; exit 255;"
        self._command("settings", f'if [ "$1" = get ]; then cat {root}/stay_on; else echo "$4" >{root}/stay_on; fi')
        self._command("cmd", f'{refusal} echo "$3" >{root}/fixed')
        self._command("svc", f"echo 7 >{root}/stay_on")
        self._command("sleep", sleep)
        for name in ("input", "wm"):
            self._command(name, "exit 0")

    def _command(self, name: str, text: str) -> None:
        file = self.root / "bin" / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def script(self, text: str, arguments: Sequence[str] = (), *, timeout_secs: float) -> Output:
        done = subprocess.run(
            ["sh", "-c", text, "script", *arguments],
            env={"PATH": f"{self.root}/bin:/usr/bin:/bin"},
            capture_output=True,
            timeout=timeout_secs,
            check=False,
        )
        return Output(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def stays_on(self) -> str:
        return (self.root / "stay_on").read_text().strip()

    def fixed(self) -> str:
        return (self.root / "fixed").read_text().strip()


def hold_of(phone: Phone, *, fixed_performance: bool = True) -> Hold:
    return Hold(phone, fixed_performance=fixed_performance, folder=f"{phone.root}/a 'folder' of $(ours)")


def soon(condition: object, secs: float = 5.0) -> bool:
    end = time.monotonic() + secs
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


REAL_SLEEP = "exec /bin/sleep 0.02"


def test_a_phone_is_held_and_given_back_as_it_was(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    hold = hold_of(phone)
    hold.begin(600)
    assert (hold.mode, phone.fixed(), phone.stays_on()) == (FIXED, "true", "7")
    hold.end()
    hold.end()
    assert (phone.fixed(), phone.stays_on()) == ("false", "0")
    assert not list(tmp_path.glob("a *"))
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(one.info["cmdline"] or ())]


def test_a_phone_that_hears_nothing_more_restores_itself(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep=REAL_SLEEP)
    hold_of(phone).begin(200)  # forty looks of five seconds, each of which lasts 0.02 s here
    assert soon(lambda: phone.fixed() == "false" and phone.stays_on() == "0")
    assert soon(lambda: not list(tmp_path.glob("a *")))


def test_a_sign_of_life_puts_that_off_and_a_phone_that_let_go_is_held_again(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep=REAL_SLEEP)
    hold = hold_of(phone)
    hold.begin(100_000)
    time.sleep(0.2)
    assert phone.fixed() == "true"
    hold.beat(1)
    assert soon(lambda: phone.fixed() == "false")
    hold.beat(100_000)
    assert soon(lambda: phone.fixed() == "true")
    hold.end()


def test_what_a_session_left_when_the_phone_started_anew_is_restored_first(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    left = tmp_path / "a 'folder' of $(ours)"
    left.mkdir()
    (left / "stay_on").write_text("3\n")
    (left / "watch").write_text("1 17\n")
    (tmp_path / "stay_on").write_text("7\n")  # ours, from before the phone started anew
    hold = hold_of(phone)
    hold.begin(600)
    hold.end()
    assert phone.stays_on() == "3"


def test_a_phone_that_offers_no_fixed_performance_says_so(tmp_path: Path) -> None:
    phone = Phone(tmp_path, offers=False, sleep="exec /bin/sleep 0.2")
    hold = hold_of(phone)
    hold.begin(600)
    assert hold.mode == "not offered: Failed to set FIXED_PERFORMANCE mode"
    hold.end()
    assert phone.fixed() == "false" and phone.stays_on() == "0"


def test_fixed_performance_is_left_alone_unless_wanted(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    hold = hold_of(phone, fixed_performance=False)
    hold.begin(600)
    assert hold.mode == LEFT_ALONE and phone.fixed() == "false" and phone.stays_on() == "7"
    hold.end()


def test_a_value_that_is_no_number_is_not_kept_and_not_put_back(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    (tmp_path / "stay_on").write_text("$(touch hacked)\n")
    hold = hold_of(phone)
    hold.begin(600)
    hold.end()
    assert phone.stays_on() == "$(touch hacked)" and not list(tmp_path.rglob("hacked"))


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="cannot be made"):
        Hold(Phone(tmp_path), fixed_performance=True, folder="/proc/nowhere").begin(5)


# --- one session at a time ---------------------------------------------------------------------------------

ELSEWHERE = Holder(who="ada on laptop, process 7", process=f"{'0' * 36}/1 7 7")


def left_by(phone: Phone, session: Holder) -> Path:
    """The folder that is held, as if that session did it."""
    (folder,) = phone.root.glob("a *")
    (folder / "holder").write_text(session.lines() + "\n")
    return folder


def loops(root: Path) -> int:
    lines = (" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))
    return sum(" watch " in line and str(root) in line for line in lines)


def test_a_phone_that_is_held_is_refused_with_the_holder_s_name_until_it_is_given_back(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    first, second = hold_of(phone), hold_of(phone)
    first.begin(600)
    for refused in (lambda: second.begin(600), second.check):
        with pytest.raises(RunnerError, match=rf"FAKE0001 is in use by .* process {os.getpid()}") as raised:
            refused()
        assert "pocketbench clean --device" in raised.value.remedy
    first.check()
    first.beat(600)
    second.end()
    assert phone.stays_on() == "7" and soon(lambda: loops(tmp_path) == 1)
    first.end()
    second.begin(600)
    second.end()
    assert phone.stays_on() == "0" and soon(lambda: loops(tmp_path) == 0)


def test_a_session_elsewhere_keeps_the_phone_until_somebody_takes_it_from_it(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    hold_of(phone).begin(600)
    left_by(phone, ELSEWHERE)
    with pytest.raises(RunnerError, match="in use by ada on laptop, process 7"):
        hold_of(phone).begin(600)
    assert other(phone, hold_of(phone)._folder) == ELSEWHERE
    hold_of(phone).give_back()
    assert phone.stays_on() == "0" and other(phone, hold_of(phone)._folder) is None
    last = hold_of(phone)
    last.begin(600)
    last.end()


def test_a_session_of_this_machine_that_was_killed_is_taken_over_at_once_and_restored(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    hold_of(phone).begin(600)
    machine, _, start = holder.here().process.split()
    left_by(phone, Holder(who="killed", process=f"{machine} {2**22 + 1} {start}"))
    second = hold_of(phone)
    second.check()
    second.begin(600)
    assert soon(lambda: loops(tmp_path) == 1) and phone.stays_on() == "7"
    second.end()
    assert phone.stays_on() == "0" and soon(lambda: loops(tmp_path) == 0) and not list(tmp_path.glob("a *"))


def test_a_session_that_lost_its_phone_is_told_and_changes_nothing_there(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    first, second = hold_of(phone), hold_of(phone)
    first.begin(600)
    second.give_back()
    second.begin(600)
    with pytest.raises(RunnerError, match="in use by"):
        first.beat(600)
    first.end()
    assert phone.stays_on() == "7" and soon(lambda: loops(tmp_path) == 1)
    second.end()


def test_a_phone_that_started_anew_belongs_to_nobody_and_its_own_session_holds_it_again(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    first = hold_of(phone)
    first.begin(600)
    folder = left_by(phone, first._me)
    pid = int((folder / "watch").read_text().split()[0])
    os.killpg(pid, signal.SIGKILL)
    assert soon(lambda: loops(tmp_path) == 0)
    first.beat(600)
    assert soon(lambda: loops(tmp_path) == 1)
    os.killpg(int((folder / "watch").read_text().split()[0]), signal.SIGKILL)
    assert soon(lambda: loops(tmp_path) == 0)
    second = hold_of(phone)
    second.begin(600)
    second.end()
    assert phone.stays_on() == "0"


def test_of_many_that_want_a_phone_at_once_one_gets_it(tmp_path: Path) -> None:
    phone = Phone(tmp_path, sleep="exec /bin/sleep 0.2")
    wanting = [hold_of(phone) for _ in range(4)]

    def began(one: Hold) -> bool:
        try:
            one.begin(600)
        except RunnerError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(began, wanting)) == 1
    assert soon(lambda: loops(tmp_path) == 1)
    for one in wanting:
        one.end()
    assert soon(lambda: loops(tmp_path) == 0)
