"""Who holds a phone, as it is written there: so that two sessions never measure on one phone at the same time.

Three lines: a token of the session, who that is for people, and its process for machines, as
`BOOT_ID/PID_NAMESPACE PID START`. They come back from a device, so they are cut and checked before they are shown.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import socket
from pathlib import Path

import msgspec

from harness.records import Record

_TOKEN = re.compile(r"[0-9a-f]{32}")
_MOST_CHARACTERS = 100


class Holder(Record, frozen=True, kw_only=True):
    """One session. who: for people; process: which of which machine, so that the same machine knows whether it
    still runs."""

    token: str = msgspec.field(default_factory=lambda: secrets.token_hex(16))
    who: str = ""
    process: str = ""

    def lines(self) -> str:
        """As it is kept on the phone."""
        return f"{self.token}\n{self.who}\n{self.process}"

    def gone(self) -> bool:
        """Whether it ran on this machine and does so no longer; of another machine nobody can tell."""
        machine, _, process = self.process.partition(" ")
        return machine != "" and machine == _machine() and process != _process(process.partition(" ")[0])


def here() -> Holder:
    """This very process as a new holder."""
    pid = str(os.getpid())
    who = _plain(f"{_user()} on {socket.gethostname()}, process {pid}")
    return Holder(who=who, process=f"{_machine()} {_process(pid)}" if _machine() else "")


def read(text: str) -> Holder:
    """The holder that a phone tells; whatever is not as `lines` writes it is left out."""
    token, who, process = ([line.strip() for line in text.splitlines()] + ["", "", ""])[:3]
    known = _TOKEN.fullmatch(token), re.fullmatch(r"[0-9a-f-]{36}/\d{1,20} \d{1,10} \d{1,20}", process)
    return Holder(
        token=token if known[0] else "", who=_plain(who) or "another session", process=process if known[1] else ""
    )


def _machine() -> str:
    """This boot of this machine, and in which of its rooms for processes we are; "" where that is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _process(pid: str) -> str:
    """A process and when it began, so that a later one of that number is not taken for it; "" when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    return f"{pid} {stat.rpartition(')')[2].split()[19]}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9 ._@,-]", "?", text)[:_MOST_CHARACTERS]
