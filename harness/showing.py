"""What the command line shows: progress while a run goes on, tables and answers when it is over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from harness.commands import Answer
    from harness.records import Experiment, Report


def run(experiment: Experiment, source: Path | None, as_json: bool, **place: Any) -> int:
    """A run on one device, from its first event to its exit code."""
    from rich.console import Console

    from harness import commands, gates
    from harness.progress import Display

    where = commands.place(experiment, commands.Wishes(**place))
    try:
        with Display(Console(stderr=True)) as display:
            finished = commands.run(experiment, where, source, display.show)
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted; go on with: --resume {where.plan.folder}", err=True)
        return 130
    show(finished, where.plan.folder, as_json)
    return gates.exit_code(finished.experiment, finished.verdicts)


def run_several(experiment: Experiment, source: Path | None, as_json: bool, **place: Any) -> int:
    """The same on several devices at once; a table each, and the worst exit code."""
    from rich.console import Console

    from harness import commands, several
    from harness.progress import Display

    each = several.spread(experiment)
    places = tuple(commands.place(one, commands.Wishes(**place), one.device) for one in each)
    crowd = several.Crowd(experiments=tuple(each), places=places, source=source)
    with Display(Console(stderr=True)) as display:
        outcomes = several.run(crowd, display.show)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode([one.report for one in outcomes]))
    for one in () if as_json else outcomes:
        click.echo(f"\n== {one.device} ==")
        if one.report:
            show(one.report, one.folder, as_json)
    for one in outcomes:
        if one.error:
            click.echo(f"error: {one.device}: {one.error}\n  try: {one.remedy}".removesuffix("\n  try: "), err=True)
    return several.exit_code(outcomes)


def answer(found: Answer, as_json: bool) -> int:
    """Print what a command found; its exit code."""
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(found.data))
    else:
        click.echo(found.text)
    return found.exit_code


def show(report: Report, folder: Path, as_json: bool) -> None:
    """The table of a report and where its page is, or all of it as JSON."""
    import msgspec

    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    from reports import print_table

    console: Console = _console()
    print_table(report, console)
    console.print(f"\npage: {folder / 'report.html'}", highlight=False, soft_wrap=True, markup=False)


def _console() -> Console:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=100)
