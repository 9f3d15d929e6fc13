import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from harness.records import Estimate
from reports import rounding, scatter, svg
from reports.rowchart import Bar, BarRow, bars
from reports.scatter import Axes
from reports.svg import Canvas, Scale
from reports.view import Column, Row

LATENCY = Column(name="latency_ms.p50", label="Latency p50", unit="ms", lower_is_better=True)
ACCURACY = Column(name="accuracy", label="Accuracy", unit="", lower_is_better=False)
SIZE = Column(name="size_mb", label="File", unit="MB", lower_is_better=True)
LABEL = re.compile(r'<text x="([\d.-]+)" y="([\d.-]+)" text-anchor="start" class="label \w+">([^<]*)</text>')
STAIRS = re.compile(r'<polyline points="([^"]*)" class="frontier">')


def canvas(width: int = svg.WIDE) -> Canvas:
    return Canvas(key="k", title="A title", description="In words", width=width)


def row(name: str, **values: float) -> Row:
    figures = {
        key.replace("p50", "latency_ms.p50"): rounding.figure(
            Estimate(value=value, low=value * 0.98, high=value * 1.02)
        )
        for key, value in values.items()
    }
    runtime, _, recipe = name.partition("/")
    return Row(id=name, runtime=runtime, recipe=recipe, state="ranked", place=1, rank="1", figures=figures)


@pytest.mark.parametrize(
    ("scale", "most"),
    [
        (Scale(low=0, high=13.4, start=0, end=700), 7),
        (Scale(low=0.8712, high=0.9133, start=400, end=0), 6),
        (Scale(low=2.7, high=166, start=0, end=700, log=True), 9),
        (Scale(low=0.004, high=900, start=0, end=300, log=True), 4),
        (Scale(low=95, high=101, start=0, end=300), 4),
    ],
)
def test_ticks_are_few_rising_and_inside_the_scale(scale: Scale, most: int) -> None:
    ticks = scale.ticks(most)
    assert 2 <= len(ticks) <= most + 2
    assert ticks == sorted(set(ticks))
    assert all(scale.low <= tick <= scale.high for tick in ticks)


def test_labels_of_even_ticks_share_their_decimals() -> None:
    assert svg.tick_words([0.88, 0.89, 0.9, 0.91]) == ["0.88", "0.89", "0.90", "0.91"]
    assert svg.tick_words([3, 5, 10, 20]) == ["3", "5", "10", "20"]


def test_equal_values_still_make_a_scale() -> None:
    for values in ([0.0], [5.0, 5.0], [1.0]):
        scale = svg.span(values, start=0, end=100)
        assert 0 <= scale.at(values[0]) <= 100
        assert scale.ticks(5)


def test_a_scale_is_logarithmic_only_when_values_lie_far_apart() -> None:
    assert not svg.span([10, 30], start=0, end=1).log
    assert svg.span([3, 150], start=0, end=1).log
    assert not svg.span([0, 150], start=0, end=1).log


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    assert scatter.front([(1, 5), (2, 3), (3, 4), (2, 6), (4, 1), (1, 5)]) == [(1, 5), (2, 3), (4, 1)]


@pytest.mark.parametrize(("axis", "name", "best"), [(ACCURACY, "accuracy", "up"), (SIZE, "size_mb", "down")])
def test_the_stairs_climb_towards_what_is_better(axis: Column, name: str, best: str) -> None:
    rows = [row("tflite/a", p50=3, **{name: 0.5}), row("tflite/b", p50=9, **{name: 0.6 if best == "up" else 0.4})]
    rows.append(row("tflite/beaten", p50=10, **{name: 0.45}))
    (points,) = STAIRS.findall(scatter.draw(canvas(), rows, Axes(x=LATENCY, y=axis)))
    corners = [tuple(map(float, point.split(","))) for point in points.split()]
    heights = [y for _, y in corners]
    assert [x for x, _ in corners] == sorted(x for x, _ in corners)
    assert heights == sorted(heights, reverse=best == "up")
    assert len({x for x, _ in corners}) == 3  # two builds and the edge: the beaten one is no corner


def boxes(markup: str) -> list[tuple[float, float, float, float]]:
    return [
        (float(x), float(y) - 10, float(x) + svg.width_of(words), float(y) + 2) for x, y, words in LABEL.findall(markup)
    ]


def crowded(count: int, seed: int) -> Sequence[Row]:
    random = np.random.default_rng(seed)
    return [
        row(f"{'tflite' if i % 2 else 'executorch'}/weight_only_{i}_afp32", p50=8 + random.random(), accuracy=0.89)
        for i in range(count)
    ]


@pytest.mark.parametrize("width", [svg.WIDE, svg.NARROW])
@pytest.mark.parametrize("count", [1, 2, 12, 30])
def test_labels_never_lie_over_each_other_however_close_the_points(width: int, count: int) -> None:
    markup = scatter.draw(canvas(width), crowded(count, seed=count), Axes(x=LATENCY, y=ACCURACY))
    found = boxes(markup)
    assert len(found) == count
    assert len({words for _, _, words in LABEL.findall(markup)}) == count
    assert not [pair for pair in combinations(found, 2) if svg.overlap(*pair)]


def test_a_point_whose_name_has_no_room_gets_a_letter_and_a_line_below() -> None:
    markup = scatter.draw(canvas(svg.NARROW), crowded(3, seed=1), Axes(x=LATENCY, y=ACCURACY))
    assert [words for _, _, words in LABEL.findall(markup)] == ["A", "B", "C"]
    assert "B  tflite/weight_only_1_afp32" in markup


def test_a_drawing_has_words_for_those_who_do_not_see_it() -> None:
    markup = bars(canvas(), [BarRow(label="a", runtime="tflite", bars=(Bar(value=1, words="1", style="disk"),))], "MB")
    assert 'role="img" aria-labelledby="k-wide-title k-wide-desc"' in markup
    assert '<title id="k-wide-title">A title</title><desc id="k-wide-desc">In words</desc>' in markup


def test_names_and_attributes_are_escaped_in_drawings() -> None:
    evil = '"><script>alert(1)</script>'
    nasty = Bar(value=1, words=evil, style="disk")
    markup = bars(
        Canvas(key="k", title=evil, description=evil, width=svg.WIDE),
        [BarRow(label=evil, runtime=evil, bars=(nasty,))],
        evil,
    )
    assert "<script" not in markup
    assert markup.count("<svg") == 1


def test_a_long_name_is_cut_in_the_middle() -> None:
    assert svg.shorten("executorch/prune(0.8)+cluster(16)+static_wi8_ai8", 200) == "executorch/pru…static_wi8_ai8"
    assert svg.shorten("short", 200) == "short"
