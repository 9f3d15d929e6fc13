"""The phone as its runner works with it: what may be asked for twice is asked again after a dropped link, files are
pushed once, and commands run detached."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from device_runners import dumps, routes
from device_runners.adb import files, runs
from device_runners.adb.link import How, Link, Output
from device_runners.adb.persist import PATIENCE_SECS, persistently
from device_runners.routes import Errand, Finished
from harness.errors import RunnerError

_Got = TypeVar("_Got")
_PUSH_SECS = 900.0
_MOST_LOG_BYTES = 32 * 2**20
_GLANCE_SECS, _LONGEST_PAUSE_SECS = 5.0, 2.0
# What a phone holds its clocks back to, now: the smallest share of any processor, in per cent. A few reads of /sys.
_GLANCE = """
low=100
for c in /sys/devices/system/cpu/cpu[0-9]*/cpufreq; do
  read -r limit <"$c/scaling_max_freq" && read -r top <"$c/cpuinfo_max_freq" || continue
  if [ "$top" -gt 0 ]; then share=$((limit * 100 / top)); else continue; fi
  seen=yes
  if [ "$share" -lt "$low" ]; then low=$share; fi
done 2>/dev/null
if [ "$seen" = yes ]; then echo "$low"; fi
"""


class PersistentLink:
    """A Link that tries again for a while when the phone cannot be reached. Everything that is asked through it does no
    harm when it happens twice."""

    def __init__(self, link: Link, tell: Callable[[str], None], *, patience_secs: float = PATIENCE_SECS) -> None:
        self._link, self._tell, self._patience_secs = link, tell, patience_secs

    @property
    def serial(self) -> str:
        return self._link.serial

    @property
    def how(self) -> How:
        return self._link.how

    def shell(self, argv: Sequence[str], *, timeout_secs: float, stdin: bytes = b"") -> Output:
        return self._again(lambda: self._link.shell(argv, timeout_secs=timeout_secs, stdin=stdin))

    def script(self, text: str, arguments: Sequence[str] = (), *, timeout_secs: float) -> Output:
        return self._again(lambda: self._link.script(text, arguments, timeout_secs=timeout_secs))

    def stream(self, argv: Sequence[str], *, timeout_secs: float) -> Iterator[bytes]:
        return self._link.stream(argv, timeout_secs=timeout_secs)

    def push(self, source: Path, target: str, *, mode: int = 0o644, timeout_secs: float) -> None:
        self._again(lambda: self._link.push(source, target, mode=mode, timeout_secs=timeout_secs))

    def pull(self, source: str, target: Path, *, most_bytes: int, timeout_secs: float) -> None:
        self._again(lambda: self._link.pull(source, target, most_bytes=most_bytes, timeout_secs=timeout_secs))

    def features(self) -> frozenset[str]:
        return self._link.features()

    def close(self) -> None:
        self._link.close()

    def _again(self, action: Callable[[], _Got]) -> _Got:
        return persistently(action, patience_secs=self._patience_secs, tell=self._tell)


class PhoneHandset:
    """See `routes.Handset`. store_mb: what builds may take on the phone; poll_secs: between the first two looks at a
    run, which is looked at more seldom the longer it lasts."""

    def __init__(
        self,
        link: Link,
        *,
        store_mb: int,
        tell: Callable[[str], None],
        pulse: Callable[[], None] = lambda: None,
        poll_secs: float = 0.3,
    ) -> None:
        self._pulse = pulse
        self.link: Link = PersistentLink(link, tell)
        self._tell, self._poll_secs = tell, poll_secs
        self._store = files.Store(most_bytes=store_mb * 2**20)
        self._count = 0
        self._glanced = 0.0
        self._lowest: int | None = None

    def stored(self, file: Path, *, mode: int) -> str:
        return files.place(self.link, file, timeout_secs=_PUSH_SECS, mode=mode, store=self._store)

    def execute(self, argv: Sequence[str], errand: Errand, *, watch_memory: bool = False) -> Finished:
        self._count += 1
        job = runs.Job(
            run_id=f"{errand.request.run_id}-{self._count}",
            argv=tuple(routes.words(argv, most_mb=errand.bounds.memory_limit_mb if watch_memory else None)),
            limit_secs=errand.bounds.timeout_secs,
            watchdog_secs=max(0.5, min(5.0, errand.bounds.timeout_secs / 10)),
            poll_secs=self._poll_secs,
        )
        with runs.running(self.link, job, tell=self._tell):
            last = self._followed(job)
            output = self._logged(job, errand.folder)
        runs.remove(self.link, job)
        if last.state != "ended" or last.code is None:
            raise RunnerError(
                f"on the phone: {last.reason}", remedy=f"see {errand.folder / 'worker.log'}; or raise timeout_secs"
            )
        done = routes.finished(last.code, output)
        if done.peak_kb is not None:
            routes.within(done.peak_kb / 1024, errand.bounds, how=routes.WATCHED)
        return done

    def background(self, argv: Sequence[str], run_id: str, secs: float) -> runs.Job:
        """A command beside whatever else is run; nobody looks at it, and it lives no longer than this."""
        return runs.Job(run_id=run_id, argv=tuple(argv), limit_secs=secs, lease_secs=secs, poll_secs=self._poll_secs)

    def seen_meanwhile(self) -> dict[str, str]:
        """What was seen while commands ran, since the last time this was asked."""
        lowest, self._lowest = self._lowest, None
        return {} if lowest is None else {"clock_limit_percent_during": str(lowest)}

    def close(self) -> None:
        self.link.close()

    def _followed(self, job: runs.Job) -> runs.Progress:
        """Look at the run until it is over, and now and then at the phone's clocks."""
        seen, began = 0, time.monotonic()
        while True:
            progress = runs.look(self.link, job, seen_bytes=seen)
            seen += len(progress.output)
            if progress.output:
                continue
            if progress.state != "running":
                return progress
            self._pulse()
            self._glance()
            time.sleep(min(_LONGEST_PAUSE_SECS, job.poll_secs + 0.1 * (time.monotonic() - began)))

    def _glance(self) -> None:
        if time.monotonic() - self._glanced < _GLANCE_SECS:
            return
        said = dumps.text_of(self.link.script(_GLANCE, timeout_secs=15).stdout).strip()
        if said.isdigit():
            self._lowest = int(said) if self._lowest is None else min(self._lowest, int(said))
        self._glanced = time.monotonic()

    def _logged(self, job: runs.Job, folder: Path) -> str:
        """Both of its streams, as text and in the errand's log."""
        parts = []
        for name in ("out", "err"):
            target = folder / f"phone.{name}"
            runs.pull(self.link, job, name, target, most_bytes=_MOST_LOG_BYTES)
            parts.append(target.read_bytes())
            target.unlink()
        with open(folder / "worker.log", "ab") as log:
            log.writelines(parts)
        return "\n".join(part.decode(errors="replace").replace("\r\n", "\n") for part in parts)
