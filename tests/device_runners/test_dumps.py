"""device_runners/dumps.py: the shapes that versions and vendors are known to print."""

from __future__ import annotations

import pytest

from device_runners import dumps
from device_runners.dumps import Battery, Clock, Temperature

AOSP_BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 500000
  Charge counter: 2750000
  status: 2
  health: 2
  present: true
  level: 68
  scale: 100
  voltage: 3912
  temperature: 287
  technology: Li-ion
"""

SAMSUNG_BATTERY = """Current Battery Service state:
\tAC powered: false
\tUSB powered: false
\tWireless powered: false
\tCharge counter: 3100000
\tstatus: 3
\tlevel: 40
\tscale: 50
\tvoltage: 4100
\ttemperature: 301
\tcurrent now: 1500
\tcharge counter: 7
 Time when the latest updated value of the voltage was sent via battery changed intent: 12:00
[BatteryInfoBackUp]
  level:70, voltage:4100
  USB powered: true
"""

THERMAL = """IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 2
Thermal Status: 1
Cached temperatures:
\tTemperature{mValue=99.0, mType=3, mName=old skin, mStatus=0}
HAL Ready: true
HAL connection:
\tThermalHAL 2.0 connected: yes
Current temperatures from HAL:
\tTemperature{mValue=34.5, mType=3, mName=skin sensor, of sorts, mStatus=1}
Temperature{mValue=51.25, mType=0, mName=CPU0}
  Temperature{mValue=NaN, mType=0, mName=CPU1, mStatus=0}
\tTemperature{mValue=3876.0, mType=6, mName=vbat, mStatus=0}
\tTemperature{mValue=12.0, mType=-1, mName=what, mStatus=0}
Current cooling devices from HAL:
\tTemperature{mValue=88.0, mType=0, mName=a fan that looks like one, mStatus=0}
\tCoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}
"""


def test_a_battery_of_stock_android_is_read() -> None:
    assert dumps.battery(AOSP_BATTERY) == Battery(
        level=0.68, powered_by=("USB",), temperature_c=28.7, voltage_v=3.912, charge_counter=2750000
    )


def test_a_vendor_s_scale_tabs_second_spellings_and_later_sections_do_not_mislead() -> None:
    found = dumps.battery(SAMSUNG_BATTERY)
    assert found == Battery(level=0.8, temperature_c=30.1, voltage_v=4.1, charge_counter=3100000)


def test_an_old_battery_without_a_counter_and_without_indent_is_read_as_far_as_it_goes() -> None:
    found = dumps.battery(AOSP_BATTERY.replace("  Charge counter: 2750000\n", "").replace("  ", ""))
    assert found is not None and found.charge_counter is None and found.level == 0.68


def test_made_up_battery_values_are_noticed() -> None:
    text = AOSP_BATTERY.replace("state:\n", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n", 1)
    found = dumps.battery(text)
    assert found is not None and found.frozen


@pytest.mark.parametrize(("voltage", "expected"), [("3912", 3.912), ("3912000", 3.912), ("4", 4.0), ("0", None)])
def test_a_voltage_is_volts_whatever_unit_it_came_in(voltage: str, expected: float | None) -> None:
    found = dumps.battery(AOSP_BATTERY.replace("3912", voltage))
    assert found is not None and found.voltage_v == expected


@pytest.mark.parametrize("text", ["", "Can't find service: battery\n", "level\nscale"])
def test_what_is_no_battery_state_is_none(text: str) -> None:
    assert dumps.battery(text) is None


@pytest.mark.parametrize("level", ["level: 70, voltage:4100", "level: 130", "level: nan"])
def test_a_level_that_is_no_share_is_not_known(level: str) -> None:
    found = dumps.battery(AOSP_BATTERY.replace("level: 68", level))
    assert found is not None and found.level is None


def test_temperatures_of_now_are_taken_and_what_is_not_degrees_is_left_out() -> None:
    found = dumps.thermal(THERMAL)
    assert found is not None and found.status == 1 and not found.overridden
    assert found.temperatures == (
        Temperature(name="skin sensor, of sorts", kind="skin", celsius=34.5),
        Temperature(name="CPU0", kind="CPU", celsius=51.25),
    )
    assert found.hottest_c("skin") == 34.5 and found.hottest_c("GPU") is None


def test_without_a_hardware_layer_the_cached_temperatures_have_to_do() -> None:
    found = dumps.thermal(THERMAL.partition("HAL Ready")[0] + "HAL Ready: false\n")
    assert found is not None and found.hottest_c("skin") == 99.0


def test_a_status_that_was_set_by_hand_is_noticed() -> None:
    found = dumps.thermal(THERMAL.replace("IsStatusOverride: false", "IsStatusOverride: true"))
    assert found is not None and found.overridden


@pytest.mark.parametrize("status", ["Thermal Status: 9", "Thermal Status: high", ""])
def test_a_status_out_of_range_is_not_known(status: str) -> None:
    found = dumps.thermal(THERMAL.replace("Thermal Status: 1", status))
    assert found is not None and found.status is None


def test_a_device_without_a_thermal_service_has_none() -> None:
    assert dumps.thermal("Can't find service: thermalservice\n") is None


def test_properties_may_be_empty_span_lines_and_hold_brackets() -> None:
    text = "[a]: [1]\n[history]: [reboot,1\nshell,[2]\n]\n[empty]: []\n[b.c]: [x]: [y]\n"
    assert dumps.properties("") == {}
    assert dumps.properties(text) == {"a": "1", "history": "reboot,1\nshell,[2]\n", "empty": "", "b.c": "x]: [y"}


def test_line_ends_and_encodings_of_others_are_undone() -> None:
    assert dumps.text_of(b"a\r\nb\r\r\n") == "a\nb\n\n"
    assert dumps.text_of("level: 68\n".encode("utf-16")) == "level: 68\n"
    assert dumps.text_of(b"\xef\xbb\xbfa\xff") == "a�"
    assert len(dumps.text_of(b"x" * (dumps.MAX_BYTES + 5))) == dumps.MAX_BYTES


def test_clocks_that_cannot_be_read_are_not_known_and_other_lines_are_left_out() -> None:
    text = "cpu0 1800000 2000000 2400000\ncpu7 - - -\ncpufreq 1 2 3\ncpu1 what\n"
    assert dumps.clocks(text) == (Clock(cpu=0, now_khz=1800000, limit_khz=2000000, top_khz=2400000), Clock(cpu=7))


def test_the_busy_share_is_what_was_not_idle_between_two_looks() -> None:
    text = "cpu  100 0 100 800 0 0 0 0 0 0\ncpu  150 0 100 950 0 0 0 0 0 0\n"
    assert dumps.busy_share(text) == pytest.approx(0.25)
    assert dumps.busy_share("cpu  1 2 3 4 5\n") is None
    assert dumps.busy_share("cpu  a b c d e\ncpu  a b c d e\n") is None
    assert dumps.busy_share("cpu  1 2 3 4 5\ncpu  1 2 3 4 5\n") is None


def test_a_switch_is_on_off_or_not_known() -> None:
    assert [dumps.flag(text) for text in ("1\n", "0", "null", "")] == [True, False, None, None]
