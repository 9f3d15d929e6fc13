"""What `am instrument -w -r` prints -> how it ended, what it gave back, what it said on the way.

Lines begin with INSTRUMENTATION_; a value may go on over further lines. See AOSP's Instrument.java and
ActivityManagerService.java (`shortMsg`, `longMsg` of a process that crashed).
"""

from __future__ import annotations

import re

from harness.errors import RunnerError
from harness.records import Record

RESULT_OK = -1
_ENTRY = re.compile(r"^INSTRUMENTATION_(STATUS_CODE|STATUS|RESULT|CODE|FAILED|ABORTED): ?", re.MULTILINE)
_MOST_VALUE = 4000


class Ended(Record, frozen=True, kw_only=True):
    """code: -1 for a run that went to its end, None when none was printed. results: what it handed back; said: the
    values of each key that it sent on the way, in order. failed: why it could not even begin."""

    code: int | None = None
    results: dict[str, str] = {}
    said: tuple[tuple[str, str], ...] = ()
    failed: str = ""


def parse(text: str) -> Ended:
    """Unknown lines are left out; the last code counts."""
    starts = list(_ENTRY.finditer(text))
    code, failed = None, ""
    results: dict[str, str] = {}
    said: list[tuple[str, str]] = []
    for start, end in zip(starts, [*(one.start() for one in starts[1:]), len(text)], strict=False):
        value = text[start.end() : end].rstrip("\n")[:_MOST_VALUE]
        kind = start[1]
        if kind == "CODE":
            code = _whole(value)
        elif kind in ("FAILED", "ABORTED"):
            failed = value.split("\n")[0]
        elif kind in ("STATUS", "RESULT"):
            key, _, content = value.partition("=")
            if kind == "RESULT":
                results[key] = content
            else:
                said.append((key, content))
    return Ended(code=code, results=results, said=tuple(said), failed=failed or dict(said).get("Error", ""))


def check(ended: Ended, component: str) -> None:
    """RunnerError that says what went wrong, unless it went to its end."""
    if ended.code == RESULT_OK and not ended.failed:
        return
    if ended.failed:
        missing = "Unable to find instrumentation" in ended.failed or component in ended.failed
        raise RunnerError(
            f"the app cannot be started: {ended.failed}",
            remedy=f"install it: see docs/phones.md ({component})" if missing else "see the log",
        )
    if ended.code is None:
        raise RunnerError("the app's run was cut off before it ended", remedy="measure again: run --resume")
    short = ended.results.get("shortMsg", "")
    reason = ended.results.get("reason") or short or f"it ended with code {ended.code}"
    long = ended.results.get("longMsg", "")
    detail = f" ({' '.join(long.split())[:300]})" if long and long != short else ""
    raise RunnerError(f"in the app: {' '.join(reason.split())}{detail}", remedy="see the tail of logcat in the log")


def _whole(value: str) -> int | None:
    found = re.match(r"\s*(-?\d{1,9})\s*$", value.split("\n")[0])
    return int(found[1]) if found else None
