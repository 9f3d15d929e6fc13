from harness import schedule

BUILDS = ["a", "b", "c", "d"]


def test_every_round_holds_every_build_once() -> None:
    assert all(sorted(turn) == BUILDS for turn in schedule.rounds(BUILDS, 20, seed=1))


def test_the_order_differs_between_rounds_and_repeats_with_the_seed() -> None:
    plan = schedule.rounds(BUILDS, 20, seed=1)
    assert len({tuple(turn) for turn in plan}) > 5
    assert plan == schedule.rounds(BUILDS, 20, seed=1)
    assert plan != schedule.rounds(BUILDS, 20, seed=2)


def test_what_was_done_before_an_interruption_is_left_out_and_the_order_kept() -> None:
    plan = [["a", "b"], ["b", "a"], ["a", "b"]]
    assert schedule.remaining(plan, {}) == ["a", "b", "b", "a", "a", "b"]
    assert schedule.remaining(plan, {"a": 2, "b": 1}) == ["b", "a", "b"]
    assert schedule.remaining(plan, {"a": 3, "b": 3}) == []
