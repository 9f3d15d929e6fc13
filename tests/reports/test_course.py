import io
import re
from itertools import pairwise

import msgspec
import pytest
from rich.console import Console

import reports
from harness.records import Failure, Measurement, Report
from reports import course, svg, view
from reports.svg import Canvas
from tests.fakes import lasting

replace = msgspec.structs.replace
POINTS = re.compile(r'<polyline points="([^"]*)" class="course (\w+)">')
LEVELS = re.compile(r'<path d="([^"]*)" class="levels \w+">')
WORDS = {
    "tflite/fp32": "stays on one level",
    "executorch/fp32": "slows down",
    "tflite/static_wi8_ai8": "gets faster, then settles",
    "executorch/dynamic_wi8_afp32": "does not settle",
}


def runs(report: Report) -> dict[str, course.Run]:
    return {run.build: run for run in course.runs(report, view.summarize(report).rows)}


def brief(report: Report) -> Report:
    """The same without any sustained run."""
    return replace(report, measurements=tuple(replace(one, sustained=None) for one in report.measurements))


def drawn(report: Report, width: int = svg.WIDE) -> str:
    return course.draw(Canvas(key="k", title="t", description="d", width=width), [*runs(report).values()])


def test_the_course_of_every_long_run_is_put_in_words(report: Report) -> None:
    found = runs(report)
    assert {build: run.words for build, run in found.items()} == WORDS
    slow = found["executorch/fp32"]
    assert slow.line.startswith("slows down: ")
    assert slow.line.endswith(f"({slow.slowdown}) over 3 min 0 s")
    assert slow.slowdown.startswith("+") and slow.clock == "on-CPU"


def test_they_come_in_the_order_of_the_ranking(report: Report) -> None:
    order = [row.id for row in view.summarize(report).rows]
    assert list(runs(report)) == sorted(WORDS, key=order.index)


def test_a_failed_build_has_no_course(report: Report) -> None:
    failed = tuple(replace(one, failure=Failure(stage="measure", reason="x")) for one in report.measurements)
    assert runs(replace(report, measurements=failed)) == {}


def test_a_line_and_its_levels_lie_inside_the_drawing(report: Report) -> None:
    for width in (svg.WIDE, svg.NARROW):
        markup = drawn(report, width)
        lines = POINTS.findall(markup)
        assert len(lines) == len(WORDS)
        for points, _ in lines:
            places = [tuple(map(float, point.split(","))) for point in points.split()]
            assert len(places) == 180
            assert [x for x, _ in places] == sorted(x for x, _ in places)
            assert all(0 <= x <= width - 40 for x, _ in places)


def test_a_slower_build_lies_higher_and_each_level_is_one_stroke(report: Report) -> None:
    found, markup = runs(report), drawn(report)
    strokes = dict(zip(found, LEVELS.findall(markup), strict=True))
    assert strokes["tflite/fp32"].count("M") == 1
    heights = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)H", strokes["executorch/fp32"])]
    assert len(heights) == 4 and heights[3] < heights[2] < heights[1] and heights[0] < heights[1]


def test_rows_never_touch(report: Report) -> None:
    spans = []
    for points, _ in POINTS.findall(drawn(report)):
        heights = [float(point.split(",")[1]) for point in points.split()]
        spans.append((min(heights), max(heights)))
    assert all(above[1] < below[0] for above, below in pairwise(spans))


def test_a_very_long_run_is_drawn_with_few_points(report: Report) -> None:
    long = tuple(one_long(one, 3600) for one in report.measurements if one.variant == "tflite/fp32")
    ((points, _),) = POINTS.findall(drawn(replace(report, measurements=long)))
    assert len(points.split()) <= 450


def one_long(measured: Measurement, blocks: int) -> Measurement:
    return replace(measured, sustained=lasting.run([5.0] * blocks))


@pytest.mark.parametrize("blocks", [1, 2, 12])
def test_a_run_of_few_blocks_is_drawn_all_the_same(report: Report, blocks: int) -> None:
    short = replace(report, measurements=tuple(one_long(one, blocks) for one in report.measurements))
    assert drawn(short).count("<polyline") == len(report.measurements)
    assert reports.render_html(short)


def test_the_page_and_the_terminal_show_it_only_when_there_is_one(report: Report) -> None:
    def shown(of: Report) -> str:
        out = io.StringIO()
        reports.print_table(of, Console(file=out, width=100))
        return " ".join(out.getvalue().split())

    page = reports.render_html(report)
    assert 'id="sustained"' in page and 'href="#sustained"' in page and "does not settle" in page
    assert "sustained executorch/fp32 slows down: " in shown(report)
    bare = reports.render_html(brief(report))
    assert 'id="sustained"' not in bare and "#sustained" not in bare
    assert "sustained" not in shown(brief(report))
