"""The sentences that every view begins with, from the report alone."""

from __future__ import annotations

import re
from collections import Counter

from harness.records import Report
from reports import rounding

_CODE = re.compile("`([^`]*)`")
RUNTIME_NAMES = {"tflite": "TFLite", "executorch": "ExecuTorch"}
DEVICE_WORDS = {
    "host": "This computer (host), no phone",
    "emulator": "Emulated phone, no real one",
    "sandbox": "This computer's processor behind adb (sandbox), no phone",
    "phone": "Phone",
}


def sentence(words: str) -> str:
    """A capital first and a full stop last, whatever the phrase came with; a name keeps its spelling."""
    words = words.strip()
    first = words.split(" ", 1)[0]
    named = any(sign in first for sign in "/_.`")
    start = words[:1] if named else words[:1].upper()
    return f"{start}{words[1:]}{'' if not words or words[-1] in '.!?' else '.'}"


def reason(report: Report) -> str:
    """Why this build, or why none; without the name, which every view shows before it."""
    if report.recommendation is None:
        return "No recommendation was drawn from this run."
    why = report.recommendation.reason.removeprefix(report.recommendation.variant).strip()
    return sentence(quoted(why))


def quoted(words: str) -> str:
    """Code between backticks is put in quotes: only Markdown knows backticks."""
    return _CODE.sub(r"“\1”", words)


def model_name(report: Report) -> str:
    name = report.model.name if report.model else report.experiment.model.name
    return name or report.experiment.model.source


def asked(report: Report) -> str:
    experiment = report.experiment
    builds = len(report.variants) or len(experiment.recipes) * len(experiment.runtimes)
    runtimes = " and ".join(
        RUNTIME_NAMES[name] for name in dict.fromkeys(v.runtime for v in report.variants) or experiment.runtimes
    )
    noun = "build" if builds == 1 else "builds"
    return f"{builds} {noun} of {model_name(report)} for {runtimes}"


def device(report: Report) -> str:
    if not report.devices:
        return "no device was reached"
    device = report.devices[0]
    parts = [device.soc, device.name, device.abi, f"{device.cores} cores" if device.cores else ""]
    return f"{DEVICE_WORDS[device.kind]}: {', '.join(dict.fromkeys(part for part in parts if part))}"


def when(created: str) -> str:
    date, _, rest = created.partition("T")
    return f"{date} {rest[:5]} UTC" if rest.endswith(("+00:00", "Z")) else created


def verdict_line(report: Report, counts: Counter[str]) -> str:
    if not report.verdicts:
        return "No gates were set." if not report.experiment.gates else "No gate was judged."
    release = report.experiment.release
    rule = {"all": "every build must pass", "any": "one build that passes is enough"}
    must = rule[release] if isinstance(release, str) else f"{', '.join(release)} must pass"
    return (
        f"{counts['pass']} gate checks passed, {counts['fail']} failed, {counts['not judged']} were not judged; {must}."
    )


def notices(report: Report, *, ranked: bool) -> tuple[str, ...]:
    """What a reader must know before any number."""
    notices = []
    if not report.complete:
        measured = sum(bool(measurement.restarts) for measurement in report.measurements)
        seen = (
            f"{measured} of {len(report.variants)} builds have been measured"
            if report.variants
            else "no build was made"
        )
        notices.append(f"This run was interrupted: {seen}. To go on: pocketbench run --resume.")
    if report.complete and not ranked:
        notices.append("No build could be measured; the reasons are in the table.")
    if report.model and report.model.random_weights:
        notices.append("The weights of this model are random: speed and size are real, quality means nothing.")
    return (*notices, *(report.model.notes if report.model else ()))


def took(report: Report) -> str:
    parts = ((report.convert_secs, "to make builds"), (report.measure_secs, "to measure them"))
    return ", ".join(f"{rounding.seconds(secs)} {words}" for secs, words in parts if secs)
