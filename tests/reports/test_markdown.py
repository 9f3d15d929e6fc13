import re

import msgspec
import pytest

import reports
from harness.records import Outcome, Report, Verdict
from reports import markdown

replace = msgspec.structs.replace


def tables(text: str) -> list[list[str]]:
    """The tables of a text, as lists of lines."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@pytest.mark.parametrize(
    ("outcome", "words"), [("pass", "gate passed"), ("fail", "gate failed"), ("not judged", "gate not judged")]
)
def test_the_first_line_is_the_outcome(report: Report, outcome: Outcome, words: str) -> None:
    first = reports.render_markdown(replace(report, gate_outcome=outcome)).splitlines()[0]
    assert words in first and "Fashion-MNIST quick start" in first


def test_failures_come_before_doubts_and_what_passed_is_folded_away(report: Report) -> None:
    text = reports.render_markdown(report)
    open_part, folded = text.split("<details>", 1)
    outcomes = re.findall(r"^\| \S+ (fail|not judged|pass) \|", open_part, re.MULTILINE)
    assert outcomes == ["fail"] * 7 + ["not judged"] * 5
    assert folded.count("✅ pass") == 31


def test_a_failed_build_is_one_line_and_not_one_per_gate(report: Report) -> None:
    assert reports.render_markdown(report).count("came back as float32 |") == 1


def test_every_line_of_a_table_has_the_cells_of_its_heading(report: Report) -> None:
    found = tables(reports.render_markdown(report))
    assert len(found) == 3
    for table in found:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1


def test_numbers_come_with_their_intervals(report: Report) -> None:
    assert "| 3.09 ± 0.01 |" in reports.render_markdown(report)


def test_words_from_outside_mention_nobody_and_end_no_cell() -> None:
    shown = markdown.escape("a|b `c` <img> @team #12 [x](y) *z* https://a.example\nnext")
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)[|`*\[\]]", shown)
    assert "@team" not in shown and "#12" not in shown and "://" not in shown and "<img" not in shown


def test_an_identifier_stays_inside_its_code_span() -> None:
    assert markdown.code("a`b|c\nd") == "`a'b¦c d`"


def test_a_comment_is_never_longer_than_github_takes(report: Report) -> None:
    reason = "a very long story " * 20
    many = tuple(
        Verdict(gate=f"latency_ms.p50 <= {limit}", variant="tflite/fp32", outcome="fail", reason=f"{limit} {reason}")
        for limit in range(1000)
    )
    text = reports.render_markdown(replace(report, verdicts=many))
    assert 50_000 < len(text) < 65_536
    assert text.startswith("## ❌")
    assert "cut; the page and results.json have everything" in text


def test_without_gates_and_without_builds_there_is_still_something_to_read(report: Report) -> None:
    text = reports.render_markdown(Report(experiment=report.experiment))
    assert "This run was interrupted" in text and "No build is recommended" in text
    assert tables(text) == []
