import pytest

from device_runners.adb.link import Link, Output, checked
from harness.errors import RunnerError
from tests.fakes.links import FakeLink


def test_the_fake_serves_what_it_was_taught_and_nothing_else() -> None:
    link: Link = FakeLink().on("getprop", answer="all").on("getprop", "ro.x", answer=["one", "two"])
    said = [link.shell(["getprop", "ro.x"], timeout_secs=1).text for _ in range(3)]
    assert said == ["one", "two", "two"]
    assert link.shell(["getprop", "ro.y"], timeout_secs=1).text == "all"
    assert link.shell(["reboot"], timeout_secs=1).code == 127


def test_a_command_that_must_succeed_tells_its_code_and_its_words() -> None:
    assert checked(Output(code=0, stdout=b"ok\xff"), "df") == "ok\ufffd"
    with pytest.raises(RunnerError, match=r"df failed with exit code 3: no such  ?file"):
        checked(Output(code=3, stderr=b"no such\n file"), "df")
