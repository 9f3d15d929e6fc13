"""Report -> the ranking on a terminal: at home in 100 columns, the words below the table, each doubt once."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.records import Report
from reports import benefits, course, duels, plain, view
from reports.rounding import Figure
from reports.view import Column, Row, Summary
from reports.wording import sentence

SHOWN = ("latency_ms.p50", "peak_rss_mb", "size_mb")
STYLES = {"✓": "green", "✗": "bold red", "?": "yellow"}
ANSWERS = {"helped": "green", "at-a-price": "yellow", "sending-only": "yellow", "no-benefit": "red", "not-told": "dim"}
OUTCOMES = {"pass": "bold green", "fail": "bold red", "not judged": "bold yellow"}


def print_table(report: Report, console: Console) -> None:
    """Print to `console`; nothing in a report is read as markup or as an escape sequence."""
    report = plain.report(report)
    summary = view.summarize(report)
    _say(console, Text(f"{summary.asked}; {summary.device}", style="dim"))
    for notice in summary.notices:
        _say(console, Text(f"! {notice}", style="bold yellow"))
    if summary.rows:
        console.print(_table(report, summary))
    for row in summary.absent:
        remedy = f" ({row.failure.remedy})" if row.failure and row.failure.remedy else ""
        _say(console, Text.assemble((row.id, "bold"), f" {row.why}{remedy}"))
    for duel in duels.rows(report):
        _say(console, Text(f"side by side: {duel.sentence}"))
    _say_what_helped(report, console)
    for run in course.runs(report, summary.rows):
        _say(console, Text.assemble(("sustained ", "dim"), (run.build, "bold"), f" {run.line}"))
    _say(console, _verdict(summary))
    _say(console, _recommendation(summary))
    for doubt in summary.doubts:
        where = "every build" if doubt.everywhere else ", ".join(doubt.builds)
        words = f" ({where}) {sentence(doubt.caveat.summary)} {sentence(doubt.caveat.advice)}"
        _say(console, Text.assemble((doubt.caveat.id, "yellow"), words))


def _say_what_helped(report: Report, console: Console) -> None:
    """A table of gains, then one sentence for each build that gained nothing on the device."""
    rows = benefits.rows(report)
    if not rows:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("did it help? (2 × is half)", overflow="fold", min_width=24)
    table.add_column("", no_wrap=True)
    for heading in ("disk", "zipped", "packed", "time", "memory", benefits.quality_label(report).lower()):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        figures = (row.size, row.zipped, row.packed, row.time, row.memory, row.quality)
        answer = Text(row.answer, style=ANSWERS[row.outcome])
        table.add_row(Text(row.id), answer, *(Text(cell.text) for cell in figures))
    console.print(table)
    for row in rows:
        if row.outcome not in ("helped", "at-a-price"):
            _say(console, Text.assemble((row.id, "bold"), f" {row.verdict}"))


def _say(console: Console, words: Text) -> None:
    console.print(words, highlight=False)


def _table(report: Report, summary: Summary) -> Table:
    columns = _columns(report, summary)
    everywhere = {doubt.caveat.id for doubt in summary.doubts if doubt.everywhere}
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("#", justify="right", no_wrap=True, min_width=2)
    table.add_column("build", overflow="fold", min_width=24)
    for column in columns:
        table.add_column(Text(_heading(column)), justify="right", no_wrap=True)
    if summary.gates:
        table.add_column("gates", no_wrap=True)
    for row in summary.rows:
        table.add_row(*_cells(row, columns, everywhere, gates=bool(summary.gates)), style=_style(row))
    return table


def _columns(report: Report, summary: Summary) -> list[Column]:
    """The ranked metric first when it is another one than the latency."""
    names = dict.fromkeys([report.experiment.rank_by, *SHOWN, summary.quality.name if summary.quality else ""])
    known = {column.name: column for column in summary.columns}
    return [known[name] for name in names if name in known]


def _heading(column: Column) -> str:
    return (
        f"{column.label.lower().replace('latency ', '').replace('peak ', '')}{f' {column.unit}' if column.unit else ''}"
    )


def _cells(row: Row, columns: list[Column], everywhere: set[str], *, gates: bool) -> list[Text]:
    figures = [row.figures.get(column.name) for column in columns]
    shown = [Text(_figure(column, figure)) for column, figure in zip(columns, figures, strict=True)]
    if row.state != "ranked":
        words = {"failed": "failed", "unsupported": "not offered", "pending": "not measured"}
        shown = [Text(words[row.state]), *(Text("–") for _ in columns[1:])] if columns else []
    passed = sum(judged.outcome == "pass" for judged in row.gates)
    mark = Text(f"{row.gate_mark} {passed}/{len(row.gates)}" if row.gates else "", style=STYLES.get(row.gate_mark, ""))
    ids = [caveat.id for caveat in row.caveats if caveat.id not in everywhere]
    name = Text(f"{row.id}{' *' if row.on_front else ''}")
    name.append("".join(f"\n  {id_}" for id_ in ids), style="yellow")
    return [Text(row.rank), name, *shown, *([mark] if gates else [])]


def _figure(column: Column, figure: Figure | None) -> str:
    """With its interval, but for memory, whose range is far below what is shown: 100 columns are not many."""
    if figure is None:
        return "–"
    return figure.text if column.name == "peak_rss_mb" else figure.with_half


def _style(row: Row) -> str:
    return "bold" if row.recommended else "dim" if row.state != "ranked" else ""


def _verdict(summary: Summary) -> Text:
    legend = "* on the Pareto front over latency, memory, size and quality; = cannot be told apart; "
    legend += f"± wider side of the {summary.confidence} interval"
    parts: list[str | tuple[str, str]] = [(f"{legend}\n", "dim")] if summary.ranked else []
    if summary.outcome:
        parts += ["Release gate: ", (summary.outcome, OUTCOMES[summary.outcome]), ". "]
    return Text.assemble(*parts, summary.verdict_line)


def _recommendation(summary: Summary) -> Text:
    if summary.recommended:
        return Text.assemble("Recommended: ", (summary.recommended, "bold green"), f". {summary.reason}")
    return Text.assemble(("No build is recommended. ", "bold yellow"), summary.reason)
