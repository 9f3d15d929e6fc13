"""The rows of the table of doubts that are about a phone, or about what stands in for one."""

from __future__ import annotations

from harness import doubts_phone
from harness.doubt import CLOCK, Doubt

PHONE: dict[str, Doubt] = {
    "SANDBOX": Doubt(
        summary="measured on this computer's processor behind a real adb daemon: the way to a phone, without the phone",
        advice="use it to see that the whole way works; time builds on a phone",
        seen=doubts_phone.sandbox,
        doubts=(*CLOCK, "sustained", "energy", "memory"),
    ),
    "THERMAL-LIMITED": Doubt(
        summary="the phone was hot, or held its clocks back, while the build was measured",
        advice="let it cool: out of its case, off the charger; raise phone.cool_down_secs",
        seen=doubts_phone.thermal_limited,
        doubts=CLOCK,
    ),
    "LOW-BATTERY": Doubt(
        summary="the battery was low, and phones slow down to save it",
        advice="charge above 20 %, unplug, measure again",
        seen=doubts_phone.low_battery,
        doubts=(*CLOCK, "sustained"),
    ),
    "POWER-SAVE": Doubt(
        summary="power-save mode was on, which holds the clocks back",
        advice="switch Battery Saver off and measure again",
        seen=doubts_phone.power_save,
        doubts=(*CLOCK, "sustained"),
    ),
    "CHARGING": Doubt(
        summary="the phone was charging: it warms, and its battery says nothing about energy",
        advice="connect over Wi-Fi and unplug (docs/phones.md)",
        seen=doubts_phone.charging,
        doubts=("energy",),
    ),
    "CHARGER-CHANGED": Doubt(
        summary="the charger was plugged in or out between measurements, and phones clock differently on it",
        advice="leave it as it is for the whole run",
        seen=doubts_phone.charger_changed,
        doubts=CLOCK,
    ),
    "SCREEN-OFF": Doubt(
        summary="the screen was off, where phones put work on slow cores",
        advice="keep it on and unlocked; over a cable `adb shell svc power stayon true` does",
        seen=doubts_phone.screen_off,
        doubts=(*CLOCK, "sustained"),
    ),
    "NOT-IN-FRONT": Doubt(
        summary="the app was not what the phone showed, and phones put what is behind on slow cores",
        advice="leave the phone alone while it measures; switch off what pops up: calls, alarms, locks, other screens",
        seen=doubts_phone.not_in_front,
        doubts=(*CLOCK, "sustained"),
    ),
    "DEBUGGABLE-APP": Doubt(
        summary="the app could be debugged, and Android runs such apps slower",
        advice="measure with the build type `benchmark` (docs/android_app.md)",
        seen=doubts_phone.debuggable,
        doubts=(*CLOCK, "sustained", "memory"),
    ),
    "DELEGATE-UNKNOWN": Doubt(
        summary="nobody tells how much of the model the accelerator runs, and how much the CPU",
        advice="hold it against the same build on the CPU",
        seen=doubts_phone.delegate_untold,
    ),
    "BUSY-DEVICE": Doubt(
        summary="the phone was doing something else",
        advice="let it settle after a start or an update, close apps, switch on airplane mode",
        seen=doubts_phone.busy,
        doubts=("latency", "start"),
        true_within=(0.0, 1.0),
    ),
    "MADE-UP-STATE": Doubt(
        summary="the phone's battery or thermal service was told to show made-up values",
        advice="adb shell dumpsys battery reset; adb shell cmd thermalservice reset",
        seen=doubts_phone.made_up_state,
        doubts=(*CLOCK, "energy"),
    ),
    "STATE-UNKNOWN": Doubt(
        summary="the phone does not tell its whole state, so that not every doubt could be raised",
        advice="watch its heat and charger yourself",
        seen=doubts_phone.state_unknown,
    ),
    "MEANS-ONLY": Doubt(
        summary="only the mean of the calls of a process is known: quantiles are those of means",
        advice="gate on latency_ms.mean, or measure in the app (phone.route: app)",
        seen=doubts_phone.means_only,
        patterns=("latency_ms.p*", "on_cpu_ms.p*"),
    ),
}
