"""Doubts about the state of a phone, from the facts that its runner noted before and after each process.

Each function takes Facts and returns what was seen, in words with figures, or "" when there is no such doubt. The names
of the facts are those of device_runners/state.py; they are text from a device, so that what is no number tells nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.facts import Facts
from harness.records import Restart

LOW_PERCENT = 20.0
BUSY_PERCENT = 15.0
CLOCK_LIMIT_FELL_PERCENT = 1.0
STATUS_WORDS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_EXPECTED = {"battery_percent": "battery", "powered_by": "charger", "thermal_status": "heat", "awake": "screen"}


def sandbox(facts: Facts) -> str:
    measured = facts.measured
    if measured is None or measured.device.kind != "sandbox":
        return ""
    device = measured.device
    return "measured on " + ", ".join(part for part in (device.soc or device.name, device.abi) if part)


def thermal_limited(facts: Facts) -> str:
    """A thermal status above none at any time, a wait for it to cool that was given up, or a clock limit that fell."""
    restarts = _restarts(facts)
    seen = []
    worst = max(_numbers(restarts, "thermal_status", "before", "during", "after"), default=0.0)
    if worst > 0:
        seen.append(f"thermal status {worst:.0f} ({STATUS_WORDS[min(int(worst), len(STATUS_WORDS) - 1)]})")
    if warm := [restart.facts["still_warm"] for restart in restarts if restart.facts.get("still_warm")]:
        seen.append(f"it did not cool down in time before {len(warm)} of {len(restarts)} restarts: {warm[-1]}")
    limits = list(_numbers(restarts, "clock_limit_percent", "before", "during", "after"))
    if limits and max(limits) - min(limits) > CLOCK_LIMIT_FELL_PERCENT:
        seen.append(
            f"its clocks were limited to {min(limits):.0f} % of their top, and to {max(limits):.0f} % elsewhere"
        )
    return "; ".join(seen)


def low_battery(facts: Facts) -> str:
    lowest = min(_numbers(_restarts(facts), "battery_percent"), default=100.0)
    return f"the battery was at {lowest:.0f} %" if lowest < LOW_PERCENT else ""


def power_save(facts: Facts) -> str:
    return _share(facts, "power_save", "yes", "with power-save mode on")


def charging(facts: Facts) -> str:
    sources = sorted(_powered(facts) - {"none"})
    return f"powered by {', '.join(sources)}" if sources else ""


def charger_changed(facts: Facts) -> str:
    found = _powered(facts)
    return f"powered by {', '.join(sorted(found))} at different times" if len(found) > 1 else ""


def screen_off(facts: Facts) -> str:
    return _share(facts, "awake", "no", "with the screen off")


def not_in_front(facts: Facts) -> str:
    """As the app itself saw it, at each block's end."""
    return _share_of_app(
        facts, "on_top_throughout", "false", "with something else in front of the app, or the screen off"
    )


def debuggable(facts: Facts) -> str:
    return _share_of_app(facts, "debuggable", "true", "in a debuggable app")


def delegate_untold(facts: Facts) -> str:
    told = {restart.facts.get("delegate_share", "") for restart in _restarts(facts)} - {""}
    return "; ".join(sorted(told))


def busy(facts: Facts) -> str:
    """What its processors did right before a process, the median of the restarts: one moment may be our own look."""
    found = sorted(_numbers(_restarts(facts), "busy_percent", "before"))
    middle = found[len(found) // 2] if found else 0.0
    return f"its processors were {middle:.0f} % busy before anything was started" if middle > BUSY_PERCENT else ""


def made_up_state(facts: Facts) -> str:
    return _share(facts, "made_up_state", "yes", "with values set by hand")


def state_unknown(facts: Facts) -> str:
    """Of everything that stands for a phone; a computer has its own doubts."""
    measured = facts.measured
    if measured is None or measured.device.kind == "host":
        return ""
    missing = [
        word
        for name, word in _EXPECTED.items()
        if not any(f"{name}_before" in restart.facts for restart in measured.restarts)
    ]
    return f"nothing is known about: {', '.join(missing)}" if missing else ""


def means_only(facts: Facts) -> str:
    restarts = [restart for restart in _restarts(facts) if restart.facts.get("samples") == "means"]
    if not restarts:
        return ""
    program = restarts[0].facts.get("program", "the program")
    cold = ", the cold first call among them" if restarts[0].facts.get("first_call") == "in the mean" else ""
    return f"{program} tells no single calls, only their mean in each of {len(restarts)} processes{cold}"


def _restarts(facts: Facts) -> tuple[Restart, ...]:
    return facts.measured.restarts if facts.measured else ()


def _numbers(restarts: tuple[Restart, ...], name: str, *when: str) -> Iterator[float]:
    for restart in restarts:
        for moment in when or ("before", "after"):
            try:
                value = float(restart.facts.get(f"{name}_{moment}", ""))
            except ValueError:
                continue
            if math.isfinite(value):
                yield value


def _powered(facts: Facts) -> set[str]:
    restarts = _restarts(facts)
    told = [restart.facts.get(f"powered_by_{when}", "") for restart in restarts for when in ("before", "after")]
    return {one for one in told if one}


def _share_of_app(facts: Facts, name: str, value: str, words: str) -> str:
    """In how many restarts the app told this."""
    restarts = _restarts(facts)
    seen = [restart for restart in restarts if restart.facts.get(name) == value]
    return f"{len(seen)} of {len(restarts)} restarts {words}" if seen else ""


def _share(facts: Facts, name: str, value: str, words: str) -> str:
    """In how many restarts a fact had this value, before or after."""
    restarts = _restarts(facts)
    seen = [r for r in restarts if value in (r.facts.get(f"{name}_before"), r.facts.get(f"{name}_after"))]
    return f"{len(seen)} of {len(restarts)} restarts {words}" if seen else ""
