"""K-means in one dimension: few values, near the best there are, zeros left alone."""

from __future__ import annotations

import numpy as np
import pytest

from converters.compress import codebooks


def best_error(values: np.ndarray, count: int) -> float:
    """Least squared error of `count` stretches of the sorted values, over all ways to cut them (Wang and Song 2011)."""
    ordered = np.sort(values.astype(np.float64))
    sums, squares = (np.concatenate([[0.0], np.cumsum(power)]) for power in (ordered, ordered**2))
    size = len(ordered)

    def cost(start: np.ndarray, end: int) -> np.ndarray:
        return squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / np.maximum(end - start, 1)

    best = np.array([0.0] + [float(cost(np.array(0), end)) for end in range(1, size + 1)])
    for _ in range(count - 1):
        best = np.array([0.0] + [float(np.min(best[:end] + cost(np.arange(end), end))) for end in range(1, size + 1)])
    return float(best[-1])


@pytest.mark.parametrize(("count", "within"), [(2, 1.001), (5, 1.01), (16, 1.02), (40, 1.02)])
@pytest.mark.parametrize("shape", ["normal", "laplace", "two heaps"])
def test_the_error_is_near_the_least_possible(shape: str, count: int, within: float) -> None:
    random = np.random.default_rng(1)
    drawn = {
        "normal": random.normal(size=300),
        "laplace": random.laplace(size=300),
        "two heaps": np.concatenate([random.normal(-9, 1, 150), random.normal(9, 1, 150)]),
    }
    values = drawn[shape]
    found = codebooks.shared(values, count, keep_zero=False)
    assert len(np.unique(found)) <= count
    assert np.sum((found - values) ** 2) <= within * best_error(values, count)


def test_each_value_goes_to_the_nearest_centroid() -> None:
    values = np.random.default_rng(0).normal(size=500)
    found = codebooks.shared(values, 7, keep_zero=False)
    centroids = np.unique(found)
    assert np.array_equal(found, centroids[np.abs(values[:, None] - centroids).argmin(1)])


def test_zeros_stay_zero_and_count_as_one_of_the_values() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    values[::3] = 0
    found = codebooks.shared(values, 5, keep_zero=True)
    assert np.array_equal(found == 0, values == 0)
    assert len(np.unique(found)) == 5
    assert found.dtype == np.float32


def test_few_values_stay_as_they_are() -> None:
    values = np.array([[0.5, -1.0], [0.5, 2.0]], np.float32)
    assert np.array_equal(codebooks.shared(values, 3, keep_zero=True), values)
    assert np.array_equal(codebooks.shared(np.zeros(4), 2, keep_zero=True), np.zeros(4))


def test_outliers_leave_no_centroid_without_values() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(size=1000), [1000.0]])
    found = codebooks.shared(values, 16, keep_zero=False)
    assert len(np.unique(found)) == 16
    assert np.max(np.abs(found - values)) < 2
