"""Report -> a pull-request comment: the outcome first, what failed next, everything else folded away."""

from __future__ import annotations

import re

import msgspec

from harness.records import Report
from reports import benefits, duels, plain, view
from reports.view import Judged, Row, Summary
from reports.wording import sentence

LIMIT = 60_000  # characters; a comment on GitHub may have 65,536
HEADLINES = {
    "pass": "✅ Release gate passed",
    "fail": "❌ Release gate failed",
    "not judged": "⚠️ Release gate not judged",
}
SIGNS = {"pass": "✅", "fail": "❌", "not judged": "⚠️"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]!|~$])")
_JOINER = "\u200b"  # has no width; keeps GitHub from seeing a person, an issue or an address


def render(report: Report) -> str:
    """Markdown of at most `LIMIT` characters; when it is more, the ranking and the caveats give way."""
    report = plain.report(report)
    summary = view.summarize(report)
    head = [_headline(summary), *(f"> {escape(notice)}" for notice in summary.notices), _recommendation(summary)]
    gates = "\n\n".join([_gates(summary), *(f"Side by side: {escape(one.sentence)}." for one in duels.rows(report))])
    foot = _foot(report, summary)
    for optional in (
        [_ranking(summary), _benefits(report), _absent(summary), _caveats(summary)],
        [_absent(summary)],
        [],
    ):
        text = "\n\n".join(part for part in (*head, gates, *optional, foot) if part) + "\n"
        if len(text) <= LIMIT:
            return text
    return f"{text[:LIMIT]}\n\n… cut; the page and results.json have everything.\n"


def escape(words: str) -> str:
    """Words from outside on one line, as they are: no table cell ends early, nobody is mentioned, nothing is linked."""
    shown = _SPECIAL.sub(r"\\\1", plain.line(words)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for told in ("@", "#", ":/", "www"):
        shown = shown.replace(told, told[0] + _JOINER + told[1:])
    return shown


def code(words: str) -> str:
    """An identifier in a table cell."""
    return f"`{plain.line(words).replace('`', chr(39)).replace('|', chr(0xA6))}`"


def _headline(summary: Summary) -> str:
    words = HEADLINES.get(summary.outcome, "pocketbench")
    return f"## {words}: {escape(summary.title)}\n\n{summary_line(summary)}"


def summary_line(summary: Summary) -> str:
    return f"{escape(summary.asked)}, on: {escape(summary.device)}. {escape(summary.verdict_line)}"


def _recommendation(summary: Summary) -> str:
    if summary.recommended:
        return f"**Recommended build:** {code(summary.recommended)}. {escape(summary.reason)}"
    return f"**No build is recommended.** {escape(summary.reason)}"


def _gates(summary: Summary) -> str:
    judged = [one for row in summary.rows for one in _each(row)]
    if not judged:
        return ""
    bad = [one for one in judged if one.outcome == "fail"] + [one for one in judged if one.outcome == "not judged"]
    good = [one for one in judged if one.outcome == "pass"]
    parts = [_gate_table(bad)] if bad else []
    if good:
        parts.append(_folded(f"{len(good)} passed gate check{'s' if len(good) > 1 else ''}", _gate_table(good)))
    return "\n\n".join(parts)


def _each(row: Row) -> list[Judged]:
    """A row's verdicts; one line for a build of which nothing could be judged."""
    same = row.same_gates
    if same is None or same.outcome == "pass" or len(row.gates) == 1:
        return list(row.gates)
    return [msgspec.structs.replace(same, gate=f"all {len(row.gates)}")]


def _gate_table(judged: list[Judged]) -> str:
    lines = ["| | Gate | Build | Observed | Limit | Reason |", "|---|---|---|--:|--:|---|"]
    for one in judged:
        cells = [
            f"{SIGNS[one.outcome]} {one.outcome}",
            code(one.gate),
            code(one.build),
            escape(one.observed_words),
            escape(one.limit),
            "" if one.outcome == "pass" else escape(one.reason),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _ranking(summary: Summary) -> str:
    if not summary.ranked:
        return ""
    headings = ["Rank", "Build", *(escape(column.heading) for column in summary.columns), "Caveats"]
    lines = [f"| {' | '.join(headings)} |", f"|--:|---|{'--:|' * len(summary.columns)}---|"]
    lines += [f"| {' | '.join(_cells(row, summary))} |" for row in summary.ranked]
    return f"### Ranking\n\n{chr(10).join(lines)}"


def _cells(row: Row, summary: Summary) -> list[str]:
    marks = [word for word, holds in (("**recommended**", row.recommended), ("Pareto", row.on_front)) if holds]
    figures = [row.figures.get(column.name) for column in summary.columns]
    caveats = ", ".join(escape(caveat.id) for caveat in row.caveats)
    return [
        row.rank,
        " ".join([code(row.id), *marks]),
        *(figure.with_half if figure else "–" for figure in figures),
        caveats,
    ]


def _benefits(report: Report) -> str:
    rows = benefits.rows(report)
    if not rows:
        return ""
    quality = escape(benefits.quality_label(report))
    lines = [f"| Build | Helped? | On disk | Zipped | Packed | Time | Memory | {quality} | In words |"]
    lines.append(f"|---|---|{'--:|' * 6}---|")
    for row in rows:
        cells = (row.size, row.zipped, row.packed, row.time, row.memory, row.quality)
        figures = [f"{escape(cell.text)}{f' ({cell.interval})' if cell.interval else ''}" for cell in cells]
        name = f"{code(row.id)} against {code(row.against)}"
        lines.append(f"| {' | '.join([name, row.answer, *figures, escape(row.verdict)])} |")
    helped = sum(row.outcome == "helped" for row in rows)
    return _folded(f"Did it help? {helped} of {len(rows)} builds without a price", "\n".join(lines))


def _absent(summary: Summary) -> str:
    if not summary.absent:
        return ""
    lines = [f"- {code(row.id)}: {escape(row.why)}{_remedy(row)}" for row in summary.absent]
    return f"### Builds without numbers\n\n{chr(10).join(lines)}"


def _remedy(row: Row) -> str:
    return f". What to do: {escape(row.failure.remedy)}" if row.failure and row.failure.remedy else ""


def _caveats(summary: Summary) -> str:
    lines = []
    for doubt in summary.doubts:
        where = "every build" if doubt.everywhere else ", ".join(code(build) for build in doubt.builds)
        caveat = doubt.caveat
        lines.append(
            f"- **{escape(caveat.id)}** ({where}): {escape(sentence(caveat.summary))} {escape(sentence(caveat.advice))}"
        )
    return _folded(f"{len(lines)} caveat{'s' if len(lines) > 1 else ''}", "\n".join(lines)) if lines else ""


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _foot(report: Report, summary: Summary) -> str:
    intervals = f" ± is the wider side of the {summary.confidence} interval." if summary.ranked else ""
    made = f"pocketbench {escape(report.tool_version)}, run {code(report.id or 'without id')}"
    return f"<sub>{made}, {escape(summary.created)}.{intervals}</sub>"
