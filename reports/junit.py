"""Report -> JUnit XML: a test case per gate and build; what was not judged is skipped, with the reason.

The form is the strictest of the ones in use (Ant's: every attribute and the two output elements are there), which
the more tolerant readers of CI systems take as well.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from harness.records import Report
from reports import plain, view

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
NO_TIME = "1970-01-01T00:00:00"


def render(report: Report) -> str:
    """The file's text; without gates it is a suite without cases."""
    report = plain.report(report)
    summary = view.summarize(report)
    judged = [one for row in summary.rows for one in row.gates]
    name = f"pocketbench {plain.line(summary.title)}"
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": name,
            "package": "pocketbench",
            "id": "0",
            "timestamp": _timestamp(report.created),
            "hostname": plain.line(report.devices[0].name) if report.devices else "localhost",
            "tests": str(len(judged)),
            "failures": str(summary.counts["fail"]),
            "errors": "0",
            "skipped": str(summary.counts["not judged"]),
            "time": f"{report.convert_secs + report.measure_secs:.3f}",
        },
    )
    _properties(suite, summary)
    for one in judged:
        _case(suite, one)
    ElementTree.SubElement(suite, "system-out").text = _words(summary)
    ElementTree.SubElement(suite, "system-err")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _properties(suite: ElementTree.Element, summary: view.Summary) -> None:
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (
        ("model", summary.model),
        ("device", summary.device),
        ("recommended", summary.recommended),
        ("outcome", summary.outcome),
    ):
        if value:
            ElementTree.SubElement(properties, "property", {"name": name, "value": plain.line(value)})


def _case(suite: ElementTree.Element, judged: view.Judged) -> None:
    names = {"classname": plain.line(judged.build), "name": plain.line(judged.gate), "time": "0"}
    case = ElementTree.SubElement(suite, "testcase", names)
    message = plain.line(judged.reason) or f"observed {judged.observed_words}, limit {judged.limit}"
    if judged.outcome == "fail":
        failure = ElementTree.SubElement(case, "failure", {"message": message, "type": "gate"})
        failure.text = f"{judged.build}: {judged.gate}\n{message}"
    elif judged.outcome == "not judged":
        ElementTree.SubElement(case, "skipped", {"message": message})


def _words(summary: view.Summary) -> str:
    lines = [*summary.notices, summary.verdict_line, f"Recommended: {summary.recommended or 'none'}. {summary.reason}"]
    lines += [f"{row.id}: {row.why}" for row in summary.absent]
    return "\n".join(lines)


def _timestamp(created: str) -> str:
    found = _TIME.match(created)
    return found[0] if found else NO_TIME
