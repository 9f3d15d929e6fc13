"""device_runners/state.py: what a phone tells about itself, what speaks against measuring it, and how it cools."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from device_runners import state
from device_runners.dumps import Battery, Clock, Temperature, Thermal
from device_runners.state import Patience, State
from harness.errors import RunnerError
from tests.device_runners.test_dumps import AOSP_BATTERY, THERMAL
from tests.fakes.links import FakeLink

OUTPUT = f"""
@@pocketbench battery
{AOSP_BATTERY}
@@pocketbench thermal
{THERMAL}
@@pocketbench power
  mWakefulness=Awake
@@pocketbench airplane_mode
1

@@pocketbench power_save
0

@@pocketbench clocks
cpu0 1000 1800 2000
cpu4 1000 2000 2000
@@pocketbench load
1.5 1.0 0.5 3/400 1234

@@pocketbench boot
0f0f

@@pocketbench busy
cpu  100 0 100 800 0 0 0 0
cpu  150 0 100 950 0 0 0 0
"""


def seen(**changes: object) -> State:
    """A cool, charged, unplugged phone."""
    fields: dict[str, object] = {
        "battery": Battery(level=0.8, temperature_c=28.0, voltage_v=4.0),
        "thermal": Thermal(status=0, temperatures=(Temperature(name="s", kind="skin", celsius=30.0),)),
        "clocks": (Clock(cpu=0, limit_khz=2000, top_khz=2000),),
        "awake": True,
        "airplane_mode": True,
        "power_save": False,
    }
    return State(**{**fields, **changes})  # type: ignore[arg-type]


def hot(status: int = 3) -> State:
    return seen(thermal=Thermal(status=status))


def test_one_round_trip_tells_everything() -> None:
    link = FakeLink().on_script("dumpsys battery", OUTPUT)
    found = state.read(link)
    assert len(link.scripts) == 1 and link.scripts[0][1] == ()
    assert state.facts(found, "before") == {
        "battery_percent_before": "68",
        "battery_c_before": "28.7",
        "powered_by_before": "USB",
        "thermal_status_before": "1",
        "skin_c_before": "34.5",
        "cpu_c_before": "51.25",
        "clock_limit_percent_before": "90",
        "awake_before": "yes",
        "airplane_mode_before": "yes",
        "power_save_before": "no",
        "busy_percent_before": "25",
        "load_average_before": "1.5 1.0 0.5",
    }


@pytest.mark.parametrize("output", ["", "\n@@pocketbench battery\n\n@@pocketbench clocks\n", "sh: syntax error\n"])
def test_a_device_that_tells_nothing_has_no_facts_and_that_is_an_obstacle(output: str) -> None:
    found = state.read(FakeLink().on_script("dumpsys battery", output))
    assert found == State() and state.facts(found, "after") == {}
    assert [one.what for one in state.obstacles(found)] == ["it tells neither battery nor heat"]


def test_a_cool_charged_unplugged_phone_has_no_obstacle() -> None:
    assert state.obstacles(seen()) == []


@pytest.mark.parametrize(
    ("phone", "what"),
    [
        (seen(battery=Battery(level=0.05)), "the battery is at 5 %"),
        (seen(battery=Battery(level=0.8, temperature_c=43.0)), "the battery has 43 degrees"),
        (seen(battery=Battery(level=0.8, powered_by=("USB",))), r"it is charging \(USB\)"),
        (seen(battery=Battery(level=0.8, frozen=True)), "battery state was set by hand"),
        (hot(3), r"thermal status 3 \(severe\)"),
        (seen(thermal=Thermal(status=0, overridden=True)), "set by hand"),
        (seen(power_save=True), "power-save mode is on"),
        (seen(awake=False), "the screen is off"),
        (seen(airplane_mode=False), "airplane mode is off"),
    ],
)
def test_what_speaks_against_measuring_is_named_with_a_remedy(phone: State, what: str) -> None:
    (found,) = state.obstacles(phone)
    assert re.search(what, found.what) and found.remedy


def test_values_set_by_hand_are_a_fact() -> None:
    assert state.facts(seen(battery=Battery(level=0.5, frozen=True)), "before")["made_up_state_before"] == "yes"


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[str] = []

    def patience(self, most_secs: float) -> Patience:
        return Patience(most_secs=most_secs, tell=self.told.append, sleep=self.sleep, clock=lambda: self.now)

    def sleep(self, secs: float) -> None:
        self.now += secs


def test_a_phone_as_it_was_is_not_waited_for() -> None:
    time = Time()
    assert state.cooled(seen, seen(), time.patience(600)) == (seen(), {})
    assert time.told == []


def test_a_hot_phone_is_waited_for_until_it_is_as_it_was() -> None:
    time = Time()
    looks: Iterator[State] = iter([hot(), hot(1), seen()])
    now, facts = state.cooled(lambda: next(looks), seen(), time.patience(600))
    assert now == seen() and facts == {"cooled_secs": "10"}
    assert time.told == ["cooling down: thermal status 3 (severe)", "cooling down: thermal status 1 (light)"]


def test_a_phone_that_stays_hot_is_given_up_with_the_reason() -> None:
    time = Time()
    now, facts = state.cooled(hot, seen(), time.patience(12))
    assert now == hot() and facts == {"cooled_secs": "12", "still_warm": "thermal status 3 (severe)"}


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (seen(battery=Battery(level=0.8, temperature_c=30.5)), "battery 30.5 degrees, 28.0 at the start"),
        (
            seen(thermal=Thermal(status=0, temperatures=(Temperature(name="s", kind="skin", celsius=34.0),))),
            "skin 34.0 degrees, 30.0 at the start",
        ),
        (seen(clocks=(Clock(cpu=0, limit_khz=1500, top_khz=2000),)), "clocks limited to 75%"),
        (seen(battery=Battery(level=0.8, temperature_c=29.9)), ""),
        (State(), ""),
    ],
)
def test_warmer_is_a_matter_of_degrees_and_clocks(now: State, why: str) -> None:
    assert state.warmer(now, seen()) == why


def test_a_phone_that_started_anew_in_between_is_an_error() -> None:
    state.same_boot(seen(boot_id="a"), seen(boot_id="a"))
    state.same_boot(seen(boot_id="a"), seen())
    with pytest.raises(RunnerError, match="started anew"):
        state.same_boot(seen(boot_id="a"), seen(boot_id="b"))
