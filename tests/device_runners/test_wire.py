"""The two JSON files: what both ends must accept, and what both must refuse (tests/data/wire, read by Java too)."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from device_runners import wire
from harness.errors import RunnerError, StoreError

FIXTURES = Path(__file__).resolve().parents[1] / "data" / "wire"
READERS = {"request": wire.read_request, "response": wire.read_response}
# What the message must name, so that the one who reads it can mend it.
NAMED = {
    "request_refused_unknown_key": "`colour`",
    "request_refused_unknown_key_inside": r"`warmups` - at `\$\.timing`",
    "request_refused_wrong_type_text_for_number": r"`str` - at `\$\.timing\.num_runs`",
    "request_refused_missing_key": "`sha256`",
    "request_refused_no_builds": "names no build",
    "request_refused_unknown_runtime": "'onnx'",
    "request_refused_negative_calls": r">= 1 - at `\$\.plan\[0\]\.calls`",
    "request_refused_planned_build_not_there": "build 2 of 2",
    "request_refused_paced_without_plan": "paced request needs a plan",
    "request_refused_another_wire_version": "speaks wire version 2, this is version 1",
    "response_refused_wrong_type_in_samples": r"results\[0\]\.blocks\[0\]\.wall_ns\[4\]",
}


def named(what: str) -> list[Path]:
    return sorted(FIXTURES.glob(f"*_{what}_*.json"))


def reader(path: Path) -> object:
    return READERS[path.name.partition("_")[0]](path)


def kept(sent: object, written: object) -> bool:
    """Whether all that was sent is written, defaults beside it allowed."""
    if isinstance(sent, dict) and isinstance(written, dict):
        return all(key in written and kept(value, written[key]) for key, value in sent.items())
    if isinstance(sent, list) and isinstance(written, list):
        return len(sent) == len(written) and all(map(kept, sent, written))
    return sent == written


@pytest.mark.parametrize("path", named("valid"), ids=lambda path: path.stem)
def test_a_valid_message_comes_back_as_it_was(path: Path, tmp_path: Path) -> None:
    message = reader(path)
    assert isinstance(message, wire.Request | wire.Response)
    wire.write(tmp_path / path.name, message)
    assert reader(tmp_path / path.name) == message
    sent, written = (json.loads(text.read_text()) for text in (path, tmp_path / path.name))
    assert kept(sent, written), "a value was lost or changed"


@pytest.mark.parametrize("path", named("refused"), ids=lambda path: path.stem)
def test_what_is_not_in_the_contract_is_refused_by_the_files_name(path: Path) -> None:
    with pytest.raises(RunnerError, match=NAMED.get(path.stem, path.name)) as caught:
        reader(path)
    assert str(path) in caught.value.message and "\n" not in caught.value.message


def test_the_fixtures_are_all_read() -> None:
    assert len(named("valid")) >= 5 and len(named("refused")) >= 25
    assert {*named("valid"), *named("refused")} == set(FIXTURES.iterdir())
    assert set(NAMED) <= {path.stem for path in named("refused")}


@pytest.mark.parametrize("kind", ["request", "response"])
def test_a_message_too_large_to_read_is_not_read(tmp_path: Path, kind: str) -> None:
    valid = next(path for path in named("valid") if path.name.startswith(kind))
    path = tmp_path / f"{kind}_large.json"
    with path.open("wb") as file:
        file.write(valid.read_bytes())
        file.truncate(wire.MAX_JSON_BYTES + 1)
    with pytest.raises(RunnerError, match="more than the 67108864 allowed"):
        reader(path)


def test_a_message_of_the_largest_size_is_read(tmp_path: Path) -> None:
    text = (FIXTURES / "request_valid_minimal.json").read_bytes()
    path = tmp_path / "request_padded.json"
    path.write_bytes(text + b" " * (wire.MAX_JSON_BYTES - len(text)))
    assert wire.read_request(path).run_id == "minimal"


def test_an_answer_that_never_came_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="was not written") as caught:
        wire.read_response(tmp_path / "response.json")
    assert "log" in caught.value.remedy


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_bytes(b'{"run_id": "\xff\xfe"}')
    with pytest.raises(RunnerError, match="not a valid request"):
        wire.read_request(path)


def test_a_message_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    request = wire.read_request(FIXTURES / "request_valid_full.json")
    wire.write(tmp_path / "request.json", request)
    changed = msgspec.structs.replace(request, run_id="changed")
    (tmp_path / "request.json.tmp").mkdir()  # the next write cannot even begin
    with pytest.raises(StoreError, match=r"request\.json cannot be written"):
        wire.write(tmp_path / "request.json", changed)
    assert wire.read_request(tmp_path / "request.json").run_id == "full"
