import pytest

from harness import registry
from harness.errors import ExperimentError

TABLE = {"host": "collections:OrderedDict", "phone": "module.that.is.not.there:Phone"}


def test_a_name_is_loaded_from_its_module() -> None:
    from collections import OrderedDict

    assert registry.load("device", TABLE, "host") is OrderedDict


def test_an_unknown_name_is_refused_with_the_nearest_and_all_known_ones() -> None:
    with pytest.raises(ExperimentError, match=r"unknown device 'hots'; did you mean 'host'\?") as caught:
        registry.load("device", TABLE, "hots")
    assert caught.value.remedy == "known: host, phone"


def test_a_name_like_nothing_known_gets_no_guess() -> None:
    assert registry.nearest("zzzzzz", TABLE) == ""
