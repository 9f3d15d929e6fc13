"""prepare() with real child processes: what is kept, when it is run again, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import converters
from harness.errors import SourceError, StoreError
from harness.records import Limits, ModelSource
from tests.fakes.model_files import PAIRS, TINY, small

pytestmark = pytest.mark.runtimes

Prepare = Callable[..., converters.Prepared]


def test_all_that_later_steps_need_lies_in_the_folder(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "seed.txt").write_text("1")
    prepared = prepare(TINY, calibration_samples=10, evaluation_samples=5)
    folder, model = Path(prepared.folder), prepared.model
    assert np.load(folder / "calibration" / "input_0.npy").shape == (10, 1, 3, 16, 16)
    assert np.load(folder / "evaluation" / "input_0.npy").shape == (5, 1, 3, 16, 16)
    assert np.load(folder / "evaluation" / "labels.npy").tolist() == [0, 1, 2, 3, 4]
    assert np.load(folder / "reference" / "output_0.npy").shape == (5, 1, 10)
    assert (folder / "state.pt").exists()
    assert (model.name, model.format, model.metric, model.labelled) == ("model", "python", "accuracy", True)
    assert (model.calibration_samples, model.evaluation_samples) == (10, 5)
    assert model.inputs[0].name == "image"
    assert model.outputs[0].shape == (1, 10)
    assert model.parameters == 16 * 3 * 9 + 32 + 16 * 9 + 16 + 64 * 16 + 64 + 640 + 10
    assert model.random_weights
    assert any("train mode" in note for note in model.notes)


def test_the_second_time_nothing_is_run(prepare: Prepare, tmp_path: Path) -> None:
    counting = f"open({str(tmp_path / 'runs.txt')!r}, 'a').write('run ')"
    text = small(model=f"{counting}; return Double().eval()")
    first = prepare(text)
    once = (tmp_path / "runs.txt").read_text()
    second = prepare(text)
    assert (first.cached, second.cached) == (False, True)
    assert second.seconds < 0.2
    assert (tmp_path / "runs.txt").read_text() == once
    assert msgspec.structs.replace(second, cached=False, seconds=0.0) == msgspec.structs.replace(first, seconds=0.0)


def test_another_name_for_the_model_needs_no_new_run(
    prepare: Prepare, workshop: converters.Workshop, tmp_path: Path
) -> None:
    assert prepare(small()).model.name == "model"
    renamed = converters.prepare(ModelSource(source="model.py", name="Doubler"), root=tmp_path, workshop=workshop)
    assert renamed.cached
    assert renamed.model.name == "Doubler"


USING = """
import helper_layer, json, os
from pathlib import Path
HERE = Path(__file__).parent
def get_evaluation_data():
    scale = json.loads((HERE / "data" / "scale.json").read_text())
    images = len(os.listdir(HERE / "images"))
    yield torch.full((1, 4), float(scale * images)), None
"""


@pytest.fixture
def scattered(tmp_path: Path) -> Path:
    """A model whose parts lie in several files, one of which Python cannot see to be opened."""
    for name in ("data", "images"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "scale.json").write_text("3")
    (tmp_path / "images" / "one.png").touch()
    (tmp_path / "helper_layer.py").write_text("FACTOR = 1")
    (tmp_path / "table.csv").write_text("1")
    return tmp_path


CHANGES: dict[str, Callable[[Path], object]] = {
    "an imported file": lambda folder: (folder / "helper_layer.py").write_text("FACTOR = 2"),
    "a data file that was opened": lambda folder: (folder / "data" / "scale.json").write_text("4"),
    "a listed folder": lambda folder: (folder / "images" / "two.png").touch(),
    "a file named in depends_on": lambda folder: (folder / "table.csv").write_text("2"),
    "weights beside the source": lambda folder: (folder / "extra.pth").write_bytes(b"x"),
}


def test_whatever_the_model_was_seen_to_use_makes_it_run_again(prepare: Prepare, scattered: Path) -> None:
    """One chain of changes, so that each starts from a prepared state."""
    options: dict[str, Any] = {"depends_on": ("table.csv",)}
    assert not prepare(small(data=USING), **options).cached
    assert prepare(small(data=USING), **options).cached
    for what, change in CHANGES.items():
        change(scattered)
        assert not prepare(small(data=USING), **options).cached, what
    (scattered / "unrelated.txt").write_text("no matter")
    assert prepare(small(data=USING), **options).cached


def test_files_read_by_forked_workers_are_seen_too(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "number.txt").write_text("1")
    data = f"""
class Numbers(torch.utils.data.Dataset):
    def __len__(self): return 2
    def __getitem__(self, index): return torch.full((1, 4), float(open({str(tmp_path / "number.txt")!r}).read()))
def get_calibration_data():
    return torch.utils.data.DataLoader(Numbers(), batch_size=None, num_workers=1)
"""
    assert prepare(small(data=data)).model.calibration_samples == 2
    (tmp_path / "number.txt").write_text("2")
    assert not prepare(small(data=data)).cached


def test_weights_that_a_rust_reader_opens_are_seen_too(prepare: Prepare, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    (tmp_path / "deep").mkdir()
    weights = tmp_path / "deep" / "w.safetensors"
    safetensors.save_file({"w": np.ones(4, np.float32)}, weights)
    model = (
        f"from safetensors.torch import load_file; self = Double().eval(); self.w = load_file({str(weights)!r})['w']"
    )
    text = small(forward="x * self.w", model=f"{model}; return self")
    first = prepare(text)
    assert prepare(text).cached
    safetensors.save_file({"w": np.full(4, 2, np.float32)}, weights)
    second = prepare(text)
    assert not second.cached
    assert second.model.fingerprint != first.model.fingerprint


def test_a_setting_that_changes_no_weight_is_part_of_the_fingerprint(prepare: Prepare, tmp_path: Path) -> None:
    text = small(
        forward="getattr(torch, self.kind)(x)",
        model=f"m = Double(); m.kind = open({str(tmp_path / 'kind.txt')!r}).read(); return m.eval()",
    )
    (tmp_path / "kind.txt").write_text("relu")
    first = prepare(text)
    (tmp_path / "kind.txt").write_text("tanh")
    assert prepare(text).model.fingerprint != first.model.fingerprint


def test_trained_weights_are_told_from_random_ones(prepare: Prepare) -> None:
    fixed = "m = torch.nn.Linear(4, 2); torch.nn.init.ones_(m.weight); torch.nn.init.zeros_(m.bias); return m.eval()"
    assert not prepare(small(model=fixed)).model.random_weights
    assert prepare(small(model="return torch.nn.Linear(4, 2).eval()")).model.random_weights


def test_without_evaluation_data_noise_takes_its_place_and_the_note_says_so(prepare: Prepare) -> None:
    prepared = prepare(small())
    assert prepared.model.evaluation_samples == 0
    assert not prepared.model.labelled
    assert prepared.model.metric == ""
    assert any("seeded noise" in note for note in prepared.model.notes)
    inputs = np.load(Path(prepared.folder) / "evaluation" / "input_0.npy")
    assert len(inputs) > 1
    assert np.array_equal(np.load(Path(prepared.folder) / "reference" / "output_0.npy"), 2 * inputs)


def test_samples_that_serve_both_ends_are_noted(prepare: Prepare) -> None:
    data = PAIRS.format(label="None") + "def get_calibration_data(): return [x for x, _ in get_evaluation_data()][:3]"
    assert any("3 of the calibration samples" in note for note in prepare(small(data=data)).model.notes)


def test_a_source_that_is_refused_raises_with_the_remedy_and_leaves_nothing(
    prepare: Prepare, workshop: converters.Workshop
) -> None:
    with pytest.raises(SourceError, match=r"get_model\(\) returned int, not a torch\.nn\.Module") as refused:
        prepare(small(model="return 3"))
    assert refused.value.remedy == "return the network itself, with its weights loaded"
    assert not list((Path(workshop.cache) / "drafts").iterdir())
    assert not (Path(workshop.cache) / "prepared").exists()


def test_a_model_that_never_comes_back_is_stopped_and_its_output_kept(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import time\nprint('sleeping', flush=True)\ntime.sleep(600)")
    shop = converters.Workshop(cache=str(tmp_path / "c"), logs=str(tmp_path / "logs"), limits=Limits(timeout_secs=8))
    with pytest.raises(SourceError, match="preparing the model was stopped after its limit of 8 s"):
        converters.prepare(ModelSource(source="model.py"), root=tmp_path, workshop=shop)
    assert "sleeping" in (tmp_path / "logs" / "prepare.log").read_text()
    assert not list((tmp_path / "c" / "drafts").iterdir())


def test_a_model_that_needs_too_much_memory_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import time\nhog = bytearray(700 * 2**20)\ntime.sleep(600)")
    shop = converters.Workshop(
        cache=str(tmp_path / "c"), logs=str(tmp_path / "l"), limits=Limits(timeout_secs=60, memory_limit_mb=600)
    )
    with pytest.raises(SourceError, match="needed more memory than its limit of 600 MB"):
        converters.prepare(ModelSource(source="model.py"), root=tmp_path, workshop=shop)


@pytest.mark.parametrize(
    ("line", "word"), [("os._exit(0)", "ended the process"), ("os.kill(os.getpid(), 11)", "ended by SIGSEGV")]
)
def test_a_model_that_ends_the_process_is_a_reason_too(prepare: Prepare, line: str, word: str) -> None:
    with pytest.raises(SourceError, match=word):
        prepare(f"import os\n{line}")


def test_a_cache_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(small())
    shop = converters.Workshop(cache="/proc/pocketbench", logs=str(tmp_path / "logs"))
    with pytest.raises(StoreError, match="cannot be used") as refused:
        converters.prepare(ModelSource(source="model.py"), root=tmp_path, workshop=shop)
    assert "another cache folder" in refused.value.remedy


METRIC = (
    PAIRS.format(label="number")
    + """
def get_metric():
    def error(outputs, labels):
        return abs(outputs[0][:, 0, 0] - labels).mean()
    return "mean_error", error, "lower"
"""
)


def test_the_models_own_metric_judges_outputs(prepare: Prepare, workshop: converters.Workshop, tmp_path: Path) -> None:
    prepared = prepare(small(data=METRIC.replace("number\n", "number * 2\n", 1)))
    assert (prepared.model.metric, prepared.model.metric_higher_is_better) == ("mean_error", False)
    reference = Path(prepared.folder) / "reference"
    assert converters.score(prepared, reference, workshop=workshop) == 0.0
    (tmp_path / "outputs").mkdir()
    np.save(tmp_path / "outputs" / "output_0.npy", np.load(reference / "output_0.npy") + 3)
    scores = [converters.score(prepared, tmp_path / "outputs", workshop=workshop) for _ in range(2)]
    assert scores == [3.0, 3.0]
    assert len(list((tmp_path / "logs").glob("score.log"))) == 1


def test_a_model_without_a_metric_of_its_own_has_no_score(prepare: Prepare, workshop: converters.Workshop) -> None:
    prepared = prepare(small(data=PAIRS.format(label="number % 4")))
    assert prepared.model.metric == "accuracy"
    assert converters.score(prepared, Path(prepared.folder) / "reference", workshop=workshop) is None
