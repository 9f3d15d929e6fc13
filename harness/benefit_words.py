"""What a compressed build gained and paid, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.gains import DOWNLOAD, MEMORY, PACKED, SIZE, TIME, heavier, improved, larger, lighter, shown, smaller
from harness.records import Benefit, Estimate

# Why the device has nothing of it.
_WHY = {
    "prune": "the kernels store and multiply every zero",
    "cluster": "every weight is stored in full, however few values there are",
    "channels": "fewer channels were not faster here",
    "lowrank": "two thin layers were not faster here than one",
    "distill": "training changes no shape",
    "qat": "training changes no shape",
}


def verdict(benefit: Benefit, steps: Sequence[str], *, higher_is_better: bool) -> str:
    """`3.91 times smaller on disk, 1.8 times as fast [1.71, 1.9]; accuracy -0.004 [-0.011, 0.003]`."""
    if benefit.outcome == "not told":
        return "not told: too few calls of one of the two to compare their times"
    told = {"helped": _helped, "at a price": _helped, "sending only": _sending, "no benefit": _nothing}[
        benefit.outcome
    ](benefit, steps)
    quality = _quality(benefit, higher_is_better)
    return f"{told}; {quality}" if quality else told


def _helped(benefit: Benefit, steps: Sequence[str]) -> str:
    good, bad = ", ".join(_good(benefit)), ", ".join(_bad(benefit))
    if not good:
        return f"it got better, and nothing else changed ({bad})" if bad else "it got better, at the same cost"
    return f"{good}, but {bad}" if bad else good


def _good(benefit: Benefit) -> Iterator[str]:
    gains = benefit.gains
    if smaller(gains.get(SIZE)):
        yield f"{_times(gains[SIZE])} smaller on disk"
    if shown(gains.get(TIME)) == "better":
        yield f"{_times(gains[TIME])} as fast {_interval(gains[TIME])}"
    if lighter(gains.get(MEMORY)):
        yield f"{_times(gains[MEMORY])} lighter in memory"


def _bad(benefit: Benefit) -> Iterator[str]:
    """What got worse, and that the time stayed what it was where the noise shows no difference."""
    gains = benefit.gains
    time = gains.get(TIME)
    if shown(time) == "worse" and time is not None:
        yield f"slower: {1 / time.value:.3g} times the time"
    elif time is not None and shown(time) == "":
        yield "not faster" if time.low is not None and time.high is not None else "the times are not known well enough"
    if larger(gains.get(SIZE)):
        yield "larger on disk"
    if heavier(gains.get(MEMORY)):
        yield "heavier in memory"


def _sending(benefit: Benefit, steps: Sequence[str]) -> str:
    """Smaller on paper: what shrank is named, and why the device has nothing of it."""
    sent = [
        f"{word} {_times(benefit.gains[name])}"
        for name, word in ((DOWNLOAD, "zipped"), (PACKED, "packed"))
        if smaller(benefit.gains.get(name))
    ]
    return f"only what is sent shrank ({', '.join(sent)}); {_same(benefit)}: {_why(steps)}"


def _nothing(benefit: Benefit, steps: Sequence[str]) -> str:
    return f"{_same(benefit)}: {_why(steps)}" if steps else _same(benefit)


def _same(benefit: Benefit) -> str:
    worse = [words for words in _bad(benefit) if words != "not faster"]
    slower = shown(benefit.gains.get(TIME)) == "worse"
    words = "neither smaller on disk nor lighter" if slower else "not smaller on disk, not faster and not lighter"
    on_paper = _on_paper(benefit)
    words += f" than {benefit.parent}{f' ({on_paper})' if on_paper else ''}"
    return f"{words}, and {', '.join(worse)}" if worse else words


def _on_paper(benefit: Benefit) -> str:
    macs = benefit.gains.get("macs")
    return f"on paper {_times(macs)} fewer multiply-adds" if macs is not None and smaller(macs) else ""


def _why(steps: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(_WHY[step] for step in steps if step in _WHY))


def _quality(benefit: Benefit, higher_is_better: bool) -> str:
    if benefit.change is None:
        return ""
    words = f"{benefit.quality.replace('_', ' ')} {benefit.change.value:+.3g} {_interval(benefit.change)}".rstrip()
    paid = improved(benefit.change, higher_is_better) == "worse" and benefit.quality != "cosine"
    return f"at the price of {words}" if paid else words


def _times(found: Estimate) -> str:
    return f"{found.value:.3g} times"


def _interval(found: Estimate) -> str:
    if found.low is None or found.high is None or found.low == found.high:
        return ""
    return f"[{found.low:.3g}, {found.high:.3g}]"
