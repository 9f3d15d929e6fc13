"""What `pack` and `unpack` say, and that the bytes come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import parcels
from harness.cli import cli
from harness.errors import ConversionError

pytestmark = pytest.mark.runtimes


def clustered_build(path: Path) -> Path:
    """A real .tflite of one dense layer whose weights share eight values, most of them zero."""
    from tests.device_runners.tiny_tflite import dense_of

    random = np.random.default_rng(0)
    values = np.linspace(-1, 1, 7, dtype=np.float32)[random.integers(0, 7, (100, 300))]
    return dense_of(path, np.where(random.random(values.shape) < 0.9, np.float32(0), values))


def test_a_build_is_packed_and_comes_back(tmp_path: Path) -> None:
    source = clustered_build(tmp_path / "net.tflite")
    before = source.read_bytes()
    told = parcels.pack(source, None)
    assert told.data.path == str(tmp_path / "net.tflite.packed")
    assert told.data.codings == {"sparse codebook": 1}
    assert told.data.original_bytes / told.data.packed_bytes > 20
    assert "times smaller" in told.text
    assert "1 sparse codebook" in told.text
    assert "does not pay" not in told.text
    source.unlink()
    back = parcels.unpack(Path(told.data.path), None)
    assert Path(back.data.path) == source
    assert source.read_bytes() == before


def test_the_commands_take_a_file_and_a_target(tmp_path: Path) -> None:
    source = clustered_build(tmp_path / "net.tflite")
    packed, back = tmp_path / "small", tmp_path / "back.tflite"
    assert cli.main(["pack", str(source), "-o", str(packed)], standalone_mode=False) == 0
    assert cli.main(["unpack", str(packed), "-o", str(back)], standalone_mode=False) == 0
    assert back.read_bytes() == source.read_bytes()
    with pytest.raises(ConversionError, match="its checksum is wrong"):
        packed.write_bytes(packed.read_bytes()[:-1])
        cli.main(["unpack", str(packed), "-o", str(tmp_path / "other")], standalone_mode=False)
