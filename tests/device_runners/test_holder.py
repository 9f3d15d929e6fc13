"""device_runners/holder.py: who holds a phone, and whether that is still so."""

import os

import pytest

from device_runners import holder
from device_runners.holder import Holder
from harness.process import Child


def test_this_process_holds_until_it_is_gone() -> None:
    me = holder.here()
    assert holder.read(me.lines()) == me and not me.gone()
    assert f"process {os.getpid()}" in me.who and len(me.token) == 32
    assert holder.here().token != me.token


def test_a_process_of_this_machine_that_ended_is_gone_and_so_is_one_whose_number_was_given_anew(
    tmp_path: object,
) -> None:
    me = holder.here()
    machine, pid, start = me.process.split()
    assert Holder(process=f"{machine} {pid} {int(start) - 1}").gone()
    child = Child(["sleep", "60"], log=tmp_path / "log")  # type: ignore[operator]
    child.close()
    assert Holder(process=f"{machine} {child.pid} {start}").gone()


@pytest.mark.parametrize("process", ["", f"{'0' * 36}/1 1 1"])
def test_of_another_machine_nobody_can_tell(process: str) -> None:
    assert not Holder(process=process).gone()


@pytest.mark.parametrize("text", ["", "\n\n\n\n", "$(id)\n\x1b[31m\n../../1 2", "x" * 10_000 + "\n" + "y" * 10_000])
def test_what_a_phone_tells_is_cut_and_checked(text: str) -> None:
    found = holder.read(text)
    assert found.token == found.process == "" and found.who.isprintable()
    assert 0 < len(found.who) <= 100 and not found.gone()
