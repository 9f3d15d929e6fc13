"""The command line: parse, call, print, exit. Everything behind it is imported when a command runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from harness import showing

if TYPE_CHECKING:
    from harness.records import Runtime

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = "Exit codes: 0 all gates pass, 1 a gate failed, 2 it could not be done, 3 something was not judged."


@click.group(context_settings=CONTEXT, epilog=EPILOG)
@click.version_option(package_name="pocketbench")
def cli() -> None:
    """Which build of this model should ship on this phone?

    Makes compressed TFLite and ExecuTorch builds of one model, measures them, checks that their outputs are
    still right, ranks them, and passes or fails a release.
    """


def main() -> NoReturn:
    """Run the command line; every failure that pocketbench knows is one line with a remedy, and exit code 2."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        code = 130
    except Exception as error:  # noqa: BLE001  the outermost boundary; what is not ours is raised again
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    from harness.errors import PocketbenchError

    if not isinstance(error, PocketbenchError):
        raise error
    click.echo(f"error: {error.message}", err=True)
    if error.remedy:
        click.echo(f"  try: {error.remedy}", err=True)
    return error.exit_code


_FILE, _FOLDER = click.Path(dir_okay=False, path_type=Path), click.Path(file_okay=False, path_type=Path)
_RUNTIMES = ("tflite", "executorch")
_file = click.argument("file", type=_FILE)
_to = click.option("-o", "--output", type=_FILE, help="File to write.")
_output = click.option("--output", type=click.Path(path_type=Path), help="Folder for runs (default: runs).")
_cache = click.option(
    "--cache", type=_FOLDER, envvar="POCKETBENCH_CACHE", help="Folder for finished builds.  [env: POCKETBENCH_CACHE]"
)
_device = click.option("--device", help="host, auto, phone, a serial, emulator:AVD; several after commas, or all.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
_fresh = click.option("--fresh", is_flag=True, help="Make every build anew, whatever the cache holds.")


@cli.command(epilog=EPILOG)
@click.argument("bench", type=_FILE, default="bench.yaml")
@_output
@_cache
@_fresh
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with an interrupted run folder.")
@_device
@_json
def run(bench: Path, device: str | None, as_json: bool, **place: Any) -> int:
    """Make, measure, rank and gate the builds that BENCH (bench.yaml) asks for."""
    from harness import experiment, several

    asked = experiment.on_device(experiment.read(bench), device)
    if place["resume"]:
        asked = several.of_folder(asked, place["resume"])
    return (
        showing.run_several(asked, bench, as_json, **place)
        if asked.devices
        else showing.run(asked, bench, as_json, **place)
    )


@cli.command(epilog=EPILOG)
@_file
@click.option("--num-runs", type=int, help="Timed calls per restart, at least.")
@click.option("--warmup-runs", type=int, help="Warm-up calls per restart, at least.")
@click.option("--min-secs", type=float, help="Seconds of timed calls per restart, at least.")
@click.option("--max-secs", type=float, help="Seconds of timed calls per restart, at most.")
@click.option("--num-threads", type=int, help="Threads of the runtime.")
@click.option("--restarts", type=int, help="Fresh processes.")
@click.option("--sustained", "sustained_secs", type=float, help="Seconds of calls without a pause, in a process more.")
@click.option("--gate", "gates", multiple=True, help='A gate such as "latency_ms.p90 <= 30"; may be repeated.')
@click.option("--accept", multiple=True, help="Id of a caveat whose doubt you take on; may be repeated.")
@_output
@_device
@_json
def benchmark(file: Path, gates: tuple[str, ...], output: Path | None, as_json: bool, **flags: Any) -> int:
    """Measure one ready FILE (.tflite or .pte) as it is."""
    from harness import experiment
    from harness.errors import ExperimentError

    if file.suffix.lower() not in experiment.READY_SUFFIXES:
        remedy = "for a model's source, write a bench.yaml and `run` it"
        raise ExperimentError(f"{file} is not a .tflite or .pte file", remedy=remedy)
    device = flags.pop("device")
    raw: dict[str, Any] = {
        "accept": list(flags.pop("accept")),
        "model": {"source": str(file.resolve())},
        "settings": {key: value for key, value in flags.items() if value is not None},
        "gates": list(gates),
        "folder": str(Path.cwd()),
    }
    chosen = experiment.check(experiment.convert(raw, where="flags"), where="flags")
    chosen = experiment.on_device(chosen, device)
    start = showing.run_several if chosen.devices else showing.run
    return start(chosen, None, as_json, output=output)


@cli.command(epilog="Exit codes: 0 faster or the same, 1 slower, 2 it could not be done, 3 inconclusive.")
@click.argument("a")
@click.argument("b")
@click.option("--margin", type=float, default=0.03, show_default=True, help="The same within this share.")
@click.option("--min-effect", type=float, default=0.01, show_default=True, help="Smaller changes are no alarm.")
@click.option("--alpha", type=float, default=0.01, show_default=True, help="Chance of a false alarm.")
@click.option("--num-threads", type=int, default=1, show_default=True, help="Threads of the runtimes.")
@click.option("--device", default="host", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@_output
@_json
def compare(a: str, b: str, device: str, as_json: bool, **flags: Any) -> int:
    """Is build B faster or slower than build A? Both are timed side by side, here and now.

    A and B are .tflite or .pte files, run folders (their recommended build), or RUN:BUILD as in
    runs/20260101-120000-net:tflite/fp32.
    """
    from rich.console import Console

    from harness import commands
    from harness.events import Event
    from harness.progress import Display

    match = commands.match(a, b, flags)
    with Display(Console(stderr=True)) as display:

        def watch(done: int, total: int) -> None:
            display.show(Event(stage="compare", done=done, total=total, now=f"pair {done + 1}, {total} at the most"))

        def tell(line: str) -> None:
            display.show(Event(stage="device", done=0, total=1, now=line))

        answer = commands.compare(match, device, watch, tell)
    return showing.answer(answer, as_json)


@cli.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--recipe", "recipe_names", multiple=True, default=("fp32",), show_default=True)
@click.option(
    "--runtime", "runtimes", multiple=True, type=click.Choice(_RUNTIMES), default=_RUNTIMES, show_default=True
)
@click.option("--output", type=_FOLDER, default=".", show_default=True)
@_cache
@_fresh
@_json
def convert(source: Path, recipe_names: tuple[str, ...], runtimes: tuple[Runtime, ...], **flags: Any) -> int:
    """Make builds of SOURCE (a .py or .pt2) and say what each file really holds."""
    from harness import commands

    as_json = flags.pop("as_json")
    return showing.answer(commands.convert(source, recipe_names, runtimes, flags), as_json)


@cli.command()
@_file
@_to
@_json
def pack(file: Path, output: Path | None, as_json: bool) -> int:
    """Write FILE (.tflite or .pte) without loss in as few bytes as can be: codebooks, gaps, Huffman codes."""
    from harness import parcels

    return showing.answer(parcels.pack(file, output), as_json)


@cli.command()
@_file
@_to
@_json
def unpack(file: Path, output: Path | None, as_json: bool) -> int:
    """Write what a packed FILE holds, the very same bytes, checked by their SHA-256."""
    from harness import parcels

    return showing.answer(parcels.unpack(file, output), as_json)


@cli.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@_json
def report(run_folder: Path, as_json: bool) -> int:
    """Make the pages of a RUN again (from its results.json) and print its table."""
    from harness import commands, store

    loaded = store.load(run_folder)
    folder = run_folder if run_folder.is_dir() else run_folder.parent
    commands.write_views(folder, loaded)
    showing.show(loaded, folder, as_json)
    return 0


@cli.command(epilog=EPILOG)
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--gate", "rules", multiple=True, help="Judge by these gates instead of the run's own.")
@click.option("--accept", multiple=True, help="Id of a caveat whose doubt you take on; may be repeated.")
@_json
def gate(run_folder: Path, rules: tuple[str, ...], accept: tuple[str, ...], as_json: bool) -> int:
    """Judge a finished RUN by gates; writes gate.junit.xml and gate.md beside it."""
    from harness import commands

    return showing.answer(commands.gate(run_folder, rules, accept), as_json)


@cli.command()
@click.argument("addresses", metavar="[SERIAL]...", nargs=-1)
@_json
def devices(addresses: tuple[str, ...], as_json: bool) -> int:
    """List what can be measured on now, and what keeps a phone from it.

    SERIAL: phones besides those that adb lists, such as 192.168.1.20:5555.
    """
    from harness import device_commands

    return showing.answer(device_commands.devices(addresses), as_json)


@cli.command()
@click.argument("serials", metavar="[SERIAL]...", nargs=-1)
@_json
def doctor(serials: tuple[str, ...], as_json: bool) -> int:
    """Check everything that measuring on a phone needs, each with its remedy."""
    from harness import device_commands

    return showing.answer(device_commands.examine(serials), as_json)


@cli.command()
@click.option("--device", is_flag=False, flag_value="phone", required=True, help="The phone, or which by its serial.")
@click.option("--app", is_flag=True, help="Uninstall the benchmark apps as well.")
@_json
def clean(device: str, app: bool, as_json: bool) -> int:
    """Take everything of pocketbench from a phone: files, runs that are left, settings that were changed."""
    from harness import device_commands

    return showing.answer(device_commands.clean(device, lambda line: click.echo(line, err=True), app=app), as_json)


@cli.command()
@_json
def recipes(as_json: bool) -> int:
    """List the recipes, and what each runtime makes of them."""
    from harness import commands

    return showing.answer(commands.recipes_table(), as_json)


@cli.command()
@click.argument("path", type=_FILE, default="bench.yaml")
@click.option("--model", default="model.py", show_default=True, help="The model's source.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(path: Path, model: str, force: bool) -> int:
    """Write a commented bench.yaml to start from."""
    from harness import commands

    return showing.answer(commands.init(path, model, force), False)


@cli.command()
def schema() -> int:
    """Print the JSON Schema of bench.yaml, for editors."""
    import json

    from harness import experiment

    click.echo(json.dumps(experiment.schema(), indent=2))
    return 0
