"""The few values that a tensor's weights share: k-means in one dimension.

In one dimension the values can be sorted once, and then each cluster is a stretch of them: its error follows from
running sums, whatever the size of the tensor, and the best way to cut is found by dynamic programming.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Places = NDArray[np.int64]
_ROUNDS = 100
_FEWEST_MARKS = 256


def shared(values: NDArray[Any], count: int, *, keep_zero: bool) -> NDArray[Any]:
    """The values, each replaced by the nearest of at most `count` centroids, in their own dtype and shape.

    keep_zero: exact zeros stay zero, which is then one of the centroids, and no other value becomes zero.
    """
    flat = values.astype(np.float64).ravel()
    live = flat != 0 if keep_zero else np.ones(flat.shape, bool)
    room = count - (not live.all())
    result = np.zeros_like(flat)
    if live.any():
        centroids = kmeans(np.sort(flat[live]), room)
        result[live] = centroids[np.searchsorted((centroids[1:] + centroids[:-1]) / 2, flat[live])]
    return result.astype(values.dtype).reshape(values.shape)


def kmeans(ordered: Values, count: int) -> Values:
    """Ascending centroids of ascending values, near the least squared error that there is."""
    distinct = np.unique(ordered)
    if len(distinct) <= count:
        return distinct
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    return _settled(ordered, sums, _cut(ordered, sums, count))


def _cut(ordered: Values, sums: Values, count: int) -> Values:
    """The best centroids whose stretches begin and end at marks: some evenly over the range, some over the values."""
    number = max(_FEWEST_MARKS, 2 * count)
    even = np.searchsorted(ordered, np.linspace(ordered[0], ordered[-1], number))
    marks = np.unique(np.concatenate([even, np.linspace(0, len(ordered), number).astype(np.int64)]))
    sizes = marks[None, :] - marks[:, None]
    # What a stretch takes off the squared error: the square of its sum over its size.
    gains = np.where(sizes > 0, (sums[marks][None, :] - sums[marks][:, None]) ** 2 / np.maximum(sizes, 1), -np.inf)
    best, came_from = gains[0], []
    for _ in range(count - 1):
        reached = best[:, None] + gains
        came_from.append(reached.argmax(0))
        best = reached.max(0)
    ends = [len(marks) - 1]
    for step in reversed(came_from):
        ends.append(int(step[ends[-1]]))
    return _means(sums, marks[[0, *reversed(ends)]])


def _means(sums: Values, edges: Places) -> Values:
    means: Values = np.diff(sums[edges]) / np.diff(edges)
    return means


def _settled(ordered: Values, sums: Values, centroids: Values) -> Values:
    """Lloyd's rounds: values to the nearest centroid, centroids to the mean of theirs; those without values go."""
    for _ in range(_ROUNDS):
        inner = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2, side="right")
        edges = np.unique(np.concatenate([[0], inner, [len(ordered)]]))
        means = np.unique(_means(sums, edges))
        if np.array_equal(means, centroids):
            break
        centroids = means
    return centroids
