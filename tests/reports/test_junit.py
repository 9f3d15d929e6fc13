"""The rules below are those of the two schemas in common use: Ant's (strict) and that of Jenkins' xUnit plug-in."""

import re
from xml.etree import ElementTree

import msgspec

import reports
from harness.records import Report, Verdict

replace = msgspec.structs.replace
SUITE = {
    "name": r"\S(.*\S)?",
    "package": r".*",
    "id": r"\d+",
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
    "hostname": r"\S(.*\S)?",
    "tests": r"\d+",
    "failures": r"\d+",
    "errors": r"\d+",
    "skipped": r"\d+",
    "time": r"\d+(\.\d+)?",
}
CASE = {"name": r"\S(.*\S)?", "classname": r"\S(.*\S)?", "time": r"\d+(\.\d+)?"}
RESULT = {"failure": {"message", "type"}, "error": {"message", "type"}, "skipped": {"message"}}


def checked(text: str) -> ElementTree.Element:
    """The one suite of a document that keeps the rules."""
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites" and not root.attrib
    (suite,) = root
    assert_attributes(suite, SUITE)
    assert [child.tag for child in suite if child.tag != "testcase"] == ["properties", "system-out", "system-err"]
    tags = [child.tag for child in suite]
    assert tags[0] == "properties" and tags[-2:] == ["system-out", "system-err"]
    for prop in suite.iter("property"):
        assert set(prop.attrib) == {"name", "value"} and prop.attrib["name"]
    cases = suite.findall("testcase")
    for case in cases:
        assert_attributes(case, CASE)
        assert len(case) <= 1
        for result in case:
            assert set(result.attrib) == RESULT[result.tag]
    for tag, attribute in (("failure", "failures"), ("skipped", "skipped"), ("error", "errors")):
        assert int(suite.attrib[attribute]) == sum(case.find(tag) is not None for case in cases)
    assert int(suite.attrib["tests"]) == len(cases)
    return suite


def assert_attributes(element: ElementTree.Element, rules: dict[str, str]) -> None:
    assert set(element.attrib) == set(rules)
    for name, rule in rules.items():
        assert re.fullmatch(rule, element.attrib[name]), (name, element.attrib[name])


def test_every_verdict_is_a_case_with_its_outcome(report: Report) -> None:
    suite = checked(reports.render_junit(report))
    found = {}
    for case in suite.iter("testcase"):
        tag = case[0].tag if len(case) else ""
        outcome = {"failure": "fail", "skipped": "not judged", "": "pass"}[tag]
        found[case.attrib["classname"], case.attrib["name"]] = outcome
    assert found == {(verdict.variant, verdict.gate): verdict.outcome for verdict in report.verdicts}


def test_what_was_not_judged_is_skipped_with_the_reason(report: Report) -> None:
    suite = checked(reports.render_junit(report))
    messages = [skipped.attrib["message"] for skipped in suite.iter("skipped")]
    assert any(message.startswith("NOISY-MACHINE casts doubt on latency_ms.p90") for message in messages)


def test_a_failure_says_what_was_seen_and_what_was_allowed(report: Report) -> None:
    suite = checked(reports.render_junit(report))
    failure = next(iter(suite.iter("failure"))).attrib["message"]
    assert failure == "1.359e+07, the limit is 6.81e+06"


def test_a_failure_without_words_still_has_its_numbers(report: Report) -> None:
    wordless = tuple(replace(verdict, reason="") for verdict in report.verdicts)
    suite = checked(reports.render_junit(replace(report, verdicts=wordless)))
    failure = next(iter(suite.iter("failure"))).attrib["message"]
    assert failure == "observed 13,587,184 B, limit 6,810,000 B"


def test_a_run_without_gates_is_a_suite_without_cases(report: Report) -> None:
    for bare in (Report(experiment=report.experiment), replace(report, verdicts=(), gate_outcome=None)):
        assert checked(reports.render_junit(bare)).attrib["tests"] == "0"


def test_control_characters_and_markup_do_not_break_the_file(report: Report) -> None:
    reason = 'it said \x1b[31m<boom>\x00 & "died"\n  \ud800 twice ]]>'
    verdict = Verdict(gate="latency_ms.p50 <= 1", variant=" tflite/<a>\t&b ", outcome="fail", reason=reason)
    nasty = replace(report, standings=(), variants=(), verdicts=(verdict,), gate_outcome="fail")
    suite = checked(reports.render_junit(nasty))
    (case,) = suite.iter("testcase")
    assert case.attrib["classname"] == "tflite/<a> &b"
    assert case[0].attrib["message"] == 'it said <boom> & "died" twice ]]>'
