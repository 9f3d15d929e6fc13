"""Does a comparison cry wolf, and does it see what is there? With two processes that compete for the processors.

    python benchmarks/verdict.py             20 pairs of a build with itself, 20 with a copy 3 % slower
    python benchmarks/verdict.py --nightly   300 verdicts: 200 of a build with itself, 50 at +2 %, 50 at +3 %; hours

The slowdown is physical: a chain of integer steps inside the timed call (spinning_worker.py). In the quick mode pairs
are taken by `harness.compare` and verdicts are then made of pairs drawn from them: with random signs for the false
alarms, shifted by 2 % and 3 % for the power, and as they are for the injected one. Beside them the rules of other tools
decide on the same samples (peer_rules.py). Exit code 0: false alarms <= 1 %, at least 95 % of +3 % caught, the injected
slowdown read within 0.7 points; 1: not; 2: not to be told today (no compiler, too much waiting, pairs too far apart).
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import compiled
import networks
import numpy as np
import peer_rules
import traces
from hogs import hogs

from device_runners import engines, linux
from device_runners.host import HostRunner
from device_runners.stopwatch import Stopwatch
from harness import compare, paired
from harness.errors import PocketbenchError
from harness.records import Record
from harness.sides import Side
from harness.stats import wilson_interval

INJECTED = 0.03
MOST_ALARMS, LEAST_CAUGHT, READ_WITHIN, MOST_WAITING = 0.01, 0.95, 0.007, 0.8
HOGS, PAIRS_AT_A_TIME, TURNS, CALIBRATION_STEPS = 2, 10, 2, 50_000
DRAWN, DRAWN_FOR_POWER = 5000, 1000
NETWORK = networks.Network(name="mobile", runtime="tflite", recipe="int8")
PLAN = paired.Plan()


class Bench(Record, frozen=True, kw_only=True):
    """What verdicts are taken with. call_us: on-CPU time of the network's call; steps_per_us: of the spin."""

    folder: Path
    model: Path
    library: Path
    call_us: float
    steps_per_us: float

    def side(self, share: float) -> Side:
        """The build, slower by `share` of its own time."""
        steps = round(share * self.call_us * self.steps_per_us)
        path = self.folder / f"{share:.3f}+{steps}.tflite"
        if not path.exists():
            shutil.copyfile(self.model, path)
        return networks.side(NETWORK, path, f"+{share:.1%}")

    def runner(self) -> HostRunner:
        worker = Path(__file__).with_name("spinning_worker.py")
        return HostRunner((sys.executable, str(worker), str(self.library)))


def prepared(folder: Path) -> Bench:
    """Everything made and calibrated, under the load that the verdicts will be taken under."""
    bench = Bench(
        folder=folder,
        model=networks.built([NETWORK])[NETWORK],
        library=compiled.spin(folder),
        call_us=0.0,
        steps_per_us=1.0,
    )
    first, _ = taken(bench, share=0.0, pairs=2, seed=0)
    return Bench(
        folder=folder,
        model=bench.model,
        library=bench.library,
        call_us=first.on_cpu_us(),
        steps_per_us=_steps_per_us(bench.library, bench.model, CALIBRATION_STEPS),
    )


def _steps_per_us(library: Path, model: Path, steps: int) -> float:
    """Right after a call of the network, as in the worker: with the caches it leaves, a tenth to a fifth slower than
    a spin among spins. The call of the spin itself is on both sides of a comparison, and is left out."""
    spin, engine = compiled.loaded(library).spin, engines.start("tflite", 1).load(model, [])
    times: dict[int, list[int]] = {0: [], steps: []}
    with closing(Stopwatch()) as stopwatch:
        for _ in range(301):
            for count, found in times.items():
                engine.invoke()
                wall_ns, wait_ns = stopwatch.time(lambda count=count: spin(count), 1)  # type: ignore[misc]
                found.append(wall_ns - wait_ns)
    return steps / (float(np.median(times[steps]) - np.median(times[0])) / 1e3)


def taken(bench: Bench, *, share: float, pairs: int, seed: int) -> tuple[traces.Trace, float]:
    """So many pairs of the build with itself, or with a copy that is slower; and the seconds a pair took."""
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    match = _match(bench, share, folder, paired.Plan(looks=(pairs,)), seed)
    found = compare.compare(match, bench.runner(), _watch)
    trace = traces.of_comparison(folder, pairs)
    shutil.rmtree(folder)
    return trace, found.seconds / pairs


def _match(bench: Bench, share: float, folder: Path, plan: paired.Plan, seed: int) -> compare.Match:
    return compare.Match(a=bench.side(0.0), b=bench.side(share), folder=folder, plan=plan, seed=seed)


def _watch(done: int, total: int) -> None:
    print(f"\rpair {done + 1} of {total}  ", end="", file=sys.stderr, flush=True)


# --- quick: a few pairs, many verdicts drawn from them --------------------------------------------------------


def quick(bench: Bench) -> int:
    """Pairs in turns, so that both kinds see the same machine."""
    shares = {"same": 0.0, "slower": INJECTED}
    parts: dict[str, list[traces.Trace]] = {kind: [] for kind in shares}
    seconds = []
    for turn in range(TURNS):
        for kind in random.sample(list(shares), len(shares)):
            trace, per_pair = taken(bench, share=shares[kind], pairs=PAIRS_AT_A_TIME, seed=turn)
            parts[kind].append(trace)
            seconds.append(per_pair)
    print(file=sys.stderr)
    same, slower = traces.joined(parts["same"]), traces.joined(parts["slower"])
    show_peers(same, slower)
    steps = round(INJECTED * bench.call_us * bench.steps_per_us)
    # The network's time moves with the machine: what was added is a share of what it took beside it, in these pairs.
    rate = _steps_per_us(bench.library, bench.model, steps)
    return judge_quick(same, slower, float(np.mean(seconds)), steps / rate / slower.on_cpu_us())


def judge_quick(same: traces.Trace, slower: traces.Trace, per_pair: float, truth: float) -> int:
    """The figures and the exit code. truth: the share by which B really was slower."""
    none, injected = np.array(same.log_ratios()), np.array(slower.log_ratios())
    source = np.random.default_rng(0)
    outcomes, pairs = drawn(none, DRAWN, source, signs=True)
    alarms = (outcomes["slower"] + outcomes["faster"]) / DRAWN
    cases = {"+2 % by shift": none + math.log(1.02), "+3 % by shift": none + math.log(1.03), "+3 % injected": injected}
    caught = {case: drawn(x, DRAWN_FOR_POWER, source)[0]["slower"] / DRAWN_FOR_POWER for case, x in cases.items()}
    read, right = reading(injected, truth)
    print(
        f"pairs: spread {none.std(ddof=1):.2%} of a build with itself, {injected.std(ddof=1):.2%} with the slower one; "
        f"{per_pair:.1f} s each, waiting {same.wait_share():.0%}, load {linux.load_average()}"
    )
    print("caught: " + ", ".join(f"{case} {share:.0%}" for case, share in caught.items()))
    least = min(caught["+3 % by shift"], caught["+3 % injected"])
    met = alarms <= MOST_ALARMS and least >= LEAST_CAUGHT
    code = 2 if same.wait_share() > MOST_WAITING or (met and right == 2) else 0 if met and right == 0 else 1
    print(
        f"verdict: false alarms {alarms:.1%} (goal <= 1 %), +3 % caught {least:.0%} (goal >= 95 %), "
        f"injected {truth:+.1%} read as {read}, {pairs * per_pair:.0f} s a verdict "
        f"({('goals met', 'a goal is missed', 'inconclusive')[code]})"
    )
    return code


def reading(injected: np.ndarray, truth: float) -> tuple[str, int]:
    """What the slower copy was read as, and 0 when that is right, 1 when wrong, 2 when these pairs do not tell."""
    value, (low, high) = paired.effect_estimate(injected), paired.effect_interval(injected, 0.99)
    read = [math.nan if one is None else math.expm1(one) for one in (value, low, high)]
    text = f"{read[0]:+.1%} [{read[1]:+.1%}, {read[2]:+.1%}]"
    if abs(read[0] - truth) <= READ_WITHIN:
        return text, 0
    return text, 1 if read[1] > truth + READ_WITHIN or read[2] < truth - READ_WITHIN else 2


def drawn(x: np.ndarray, count: int, source: np.random.Generator, *, signs: bool = False) -> tuple[Counter[str], float]:
    """Outcomes of `count` verdicts, each from pairs drawn with replacement; and how many pairs one took."""
    outcomes: Counter[str] = Counter()
    pairs = 0
    for _ in range(count):
        sample = x[source.integers(0, len(x), PLAN.looks[-1])]
        outcome, used = traces.verdict(sample * source.choice([-1, 1], len(sample)) if signs else sample, PLAN)
        outcomes[outcome] += 1
        pairs += used
    return outcomes, pairs / count


def show_peers(same: traces.Trace, slower: traces.Trace) -> None:
    """What other rules say of the same samples."""
    print("of the same samples, by the wall clock:       false alarms          +3 % caught")
    for rule in peer_rules.RULES:
        alarm, caught = peer_rules.replay(rule, same), peer_rules.replay(rule, slower)
        if alarm.comparisons:
            share = f"{alarm.alarms / alarm.comparisons:4.0%} of {alarm.comparisons:3}"
            print(f"  {rule.name:62} {share}  {caught.slower / caught.forward:4.0%}")


# --- nightly: whole verdicts ----------------------------------------------------------------------------------


def nightly(bench: Bench, counts: dict[float, int]) -> int:
    """Each as `pocketbench compare` would make it, in random order."""
    turns = [share for share, count in counts.items() for _ in range(count)]
    outcomes: dict[float, Counter[str]] = {share: Counter() for share in counts}
    seconds = []
    for number, share in enumerate(random.sample(turns, len(turns))):
        folder = Path(tempfile.mkdtemp(dir=bench.folder))
        found = compare.compare(_match(bench, share, folder, PLAN, number), bench.runner(), lambda *_: None)
        shutil.rmtree(folder)
        outcomes[share][found.outcome] += 1
        seconds.append(found.seconds)
        stamp = time.strftime("%H:%M:%S")
        print(
            f"{stamp} {number + 1:3}/{len(turns)} +{share:.0%}: {found.outcome}, {found.effect.value:+.2%}", flush=True
        )
    return judge_nightly(outcomes, seconds)


def judge_nightly(outcomes: dict[float, Counter[str]], seconds: Sequence[float]) -> int:
    for share, counted in outcomes.items():
        print(f"+{share:.0%}: {dict(counted)}")
    same, slower = outcomes[0.0], outcomes[0.03]
    alarms, tried = same["slower"] + same["faster"], same.total()
    high = wilson_interval(alarms, tried, 0.9).high  # one-sided 95 %
    caught = slower["slower"] / slower.total()
    code = 0 if alarms <= MOST_ALARMS * tried and caught >= LEAST_CAUGHT else 1
    print(
        f"verdict: {alarms} false alarms of {tried} (at most {high:.1%} with 95 %), +3 % caught {caught:.0%}, "
        f"+2 % {outcomes[0.02]['slower'] / outcomes[0.02].total():.0%}, median {np.median(seconds):.0f} s "
        f"({'goals met' if code == 0 else 'a goal is missed'})"
    )
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nightly", action="store_true", help="300 whole verdicts")
    arguments = parser.parse_args()
    run: Callable[[Bench], int] = quick
    if arguments.nightly:
        run = lambda bench: nightly(bench, {0.0: 200, 0.02: 50, 0.03: 50})  # noqa: E731
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            networks.built([NETWORK])
            with hogs(HOGS, folder):
                return run(prepared(folder))
    except PocketbenchError as error:
        print(f"verdict: not measured: {error.message}; {error.remedy}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
