import math

import pytest

from harness.records import Estimate
from reports import rounding


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.01237, "0.0124"),
        (1.0, "1.00"),
        (9.996, "10.0"),
        (99.96, "100"),
        (1239.6, "1,240"),
        (-4.567, "-4.57"),
        (0.00001234, "1.23e-05"),
        (math.inf, "∞"),
        (math.nan, "not a number"),
    ],
)
def test_a_number_has_three_significant_digits(value: float, text: str) -> None:
    assert rounding.number(value) == text


def test_an_interval_is_rounded_outwards_so_that_it_never_shrinks() -> None:
    figure = rounding.figure(Estimate(value=12.34, low=12.31, high=12.35))
    assert (figure.text, figure.low, figure.high, figure.half) == ("12.3", "12.3", "12.4", "0.1")


def test_ends_that_need_no_rounding_stay_where_they_are() -> None:
    figure = rounding.figure(Estimate(value=12.3, low=12.1, high=12.6))
    assert (figure.low, figure.high, figure.half) == ("12.1", "12.6", "0.3")


def test_a_number_without_an_interval_shows_none() -> None:
    for exact in (Estimate(value=3.14159), Estimate(value=3.14159, low=3.14159, high=3.14159)):
        figure = rounding.figure(exact)
        assert (figure.interval, figure.with_half) == ("", "3.14")


def test_an_end_that_is_not_known_is_not_made_up() -> None:
    figure = rounding.figure(Estimate(value=20.0, low=18.0, high=None))
    assert figure.interval == "18.0 to ?"
    assert figure.with_half == "20.0 ± ?"


@pytest.mark.parametrize(
    ("value", "text"), [(0.99987, "0.99987"), (0.9999999812, "0.999999"), (1.0, "1.00"), (0.978, "0.978")]
)
def test_a_share_just_below_one_never_reads_as_one(value: float, text: str) -> None:
    assert rounding.figure(Estimate(value=value), near_one=True).text == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (1, "100 %"), (0.0004, "< 0.1 %"), (0.99995, "> 99.9 %"), (0.62, "62 %"), (0.031, "3.1 %")],
)
def test_only_none_and_all_read_as_none_and_all(value: float, text: str) -> None:
    assert rounding.share(value).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("value", "text"), [(12.0, "12"), (12.345, "12.345"), (0.8840000001, "0.8840"), (6_810_000.0, "6,810,000")]
)
def test_a_limit_reads_as_it_was_written_and_a_derived_one_is_rounded(value: float, text: str) -> None:
    assert rounding.limit(value) == text


@pytest.mark.parametrize(("value", "text"), [(8.44, "8.4 s"), (75.2, "75 s"), (725, "12 min 5 s"), (7380, "2 h 3 min")])
def test_durations_are_for_people(value: float, text: str) -> None:
    assert rounding.seconds(value) == text
