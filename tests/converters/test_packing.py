"""Packing real builds: their weights are found, the bytes come back, bad files are named and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters import contents, pack, packing
from harness.errors import ConversionError, StoreError
from tests.converters.conftest import Everything

LIMIT = 2**24


@pytest.mark.runtimes
def test_every_build_of_the_tiny_model_comes_back_whole_with_all_its_weights_found(everything: Everything) -> None:
    for build in filter(lambda variant: not variant.failure, everything.variants.values()):
        data, regions = contents.regions(Path(build.path))
        packed = pack.pack(data, regions)
        assert pack.unpack(packed)[0] == data, build.id
        assert build.contents is not None
        assert len(regions) == len(build.contents.weights), build.id
        assert sum(region.size for region in regions) == sum(build.contents.weight_bytes.values()), build.id


@pytest.mark.runtimes
def test_the_packed_size_stands_beside_the_zipped_one(everything: Everything) -> None:
    build = everything.variants["tflite/fp32"]
    assert build.contents is not None
    suffix = len(".tflite")  # the file on disk tells it, the size in the report does without
    assert 0 <= packing.packed_size(Path(build.path)) - (build.contents.packed_bytes or 0) <= suffix
    assert contents.read(Path(build.path)).packed_bytes is None


@pytest.mark.runtimes
def test_files_are_packed_and_unpacked_on_disk(everything: Everything, tmp_path: Path) -> None:
    for name in ("tflite/fp32", "executorch/fp32"):
        source = Path(everything.variants[name].path)
        packed = packing.pack_file(source, tmp_path / f"{source.name}.packed")
        assert packed.packed_bytes == Path(packed.path).stat().st_size < packed.download_bytes < packed.original_bytes
        assert sum(packed.codings.values()) == len(contents.read(source).weights)
        unpacked = packing.unpack_file(Path(packed.path), None, limit_bytes=LIMIT)
        assert Path(unpacked.path) == tmp_path / source.name
        assert Path(unpacked.path).read_bytes() == source.read_bytes()


def write_packed(folder: Path, name: str, suffix: str) -> Path:
    (folder / name).write_bytes(pack.pack(memoryview(b"content " * 9), [], suffix))
    return folder / name


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        ("net.tflite.packed", ".tflite", "net.tflite"),
        ("net.packed", ".pte", "net.pte"),
        ("download", ".pte", "download.pte"),
        ("net.v2.packed", ".pte", "net.v2.pte"),
        ("net.packed", "/../../evil", "net.unpacked"),
    ],
)
def test_without_a_target_the_file_gets_its_old_name_beside_the_packed_one(
    tmp_path: Path, name: str, suffix: str, expected: str
) -> None:
    found = packing.unpack_file(write_packed(tmp_path, name, suffix), None, limit_bytes=LIMIT)
    assert Path(found.path) == tmp_path / expected
    assert (tmp_path / expected).read_bytes() == b"content " * 9


def test_no_file_is_ever_overwritten(tmp_path: Path) -> None:
    source = write_packed(tmp_path, "net.pte.packed", ".pte")
    (tmp_path / "net.pte").write_text("precious")
    with pytest.raises(StoreError, match="exists"):
        packing.unpack_file(source, None, limit_bytes=LIMIT)
    assert (tmp_path / "net.pte").read_text() == "precious"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    source = write_packed(tmp_path, "net.pte.packed", ".pte")
    with pytest.raises(StoreError, match=r"missing/net\.pte cannot be written"):
        packing.unpack_file(source, tmp_path / "missing" / "net.pte", limit_bytes=LIMIT)


def test_bad_files_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "photo.tflite").write_bytes(b"\x89PNG" + bytes(100))
    with pytest.raises(ConversionError, match=r"photo\.tflite is no TFLite model"):
        packing.pack_file(tmp_path / "photo.tflite", tmp_path / "out")
    with pytest.raises(ConversionError, match=r"photo\.tflite cannot be unpacked: it does not start with PBPK"):
        packing.unpack_file(tmp_path / "photo.tflite", None, limit_bytes=LIMIT)
    with pytest.raises(ConversionError, match=r"absent cannot be read"):
        packing.unpack_file(tmp_path / "absent", None, limit_bytes=LIMIT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.tflite"]
