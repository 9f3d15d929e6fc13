"""What is going on now and how long is left, on standard error; plain lines where there is no terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.events import Event

LABELS = {"prepare": "model", "convert": "convert", "train": "train", "measure": "measure"}


class Display:
    """Shows events; use it in a `with` block, and hand its `show` to the pipeline."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._last = ""
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:8}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[now]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, event: Event) -> None:
        label = LABELS.get(event.stage, event.stage)
        if not self._console.is_terminal:
            line = f"{label} {event.done}/{event.total} {event.now}".rstrip()
            if line != self._last:
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)
            self._last = line
            return
        if event.stage not in self._tasks:
            self._tasks[event.stage] = self._bars.add_task(label, total=event.total, now="")
        self._bars.update(self._tasks[event.stage], completed=event.done, total=event.total, now=event.now)
