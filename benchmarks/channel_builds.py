"""The builds that channel_pruning.py judges: thinned, fine-tuned, exported, converted; each piece is made once.

Ours is what `channels(r)` does. The plain one is Torch-Pruning as its examples use it; what follows is the same code
for both: batch norms measured anew or held, whichever brings the outputs nearer to the whole network's, epochs, images,
seed, learning rate, and the better of the looks at 300 images after each epoch. For a child process: imports torch and
the converters.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

from harness.records import ModelSource, Training

MODEL = Path(__file__).resolve().parent / "models" / "clothing.py"
SHARES = (0.3, 0.5)
SIDES = ("whole", *(f"{side}-{share:g}" for share in SHARES for side in ("ours", "plain")))
RECIPES = {"fp32": "fp32", "int8": "static_wi8_ai8"}
TRAINING = Training(epochs=2.0, batch_size=32, learning_rate=3e-4, validation_samples=300)
SUFFIXES = {"tflite": ".tflite", "executorch": ".pte"}
SOURCE = """\"\"\"A network of {title}, already thinned and trained, with the data of the whole one.\"\"\"

import sys

import torch

sys.path.insert(0, {folder!r})
from clothing import get_args, get_calibration_data, get_evaluation_data  # noqa: F401


def get_model():
    return torch.export.load({program!r})
"""


def path_of(folder: Path, side: str, kind: str, runtime: str) -> Path:
    """Where the build of one side is: `kind` is a key of RECIPES, `runtime` one of SUFFIXES."""
    return folder / f"{side}-{kind}{SUFFIXES[runtime]}"


def missing(folder: Path) -> list[Path]:
    """The builds that are not there yet."""
    wanted = [path_of(folder, side, kind, runtime) for side in SIDES for kind in RECIPES for runtime in SUFFIXES]
    return [path for path in wanted if not path.exists()]


def make(folder: Path) -> bool:
    """The next piece of work; whether everything is there."""
    for side in SIDES:
        if not (folder / f"{side}.json").exists():
            _train(folder, side)
            return False
    for side in SIDES:
        for runtime in SUFFIXES:
            if not all(path_of(folder, side, kind, runtime).exists() for kind in RECIPES):
                _convert(folder, side, runtime)
                return False
    return True


def _train(folder: Path, side: str) -> None:
    """The thinned and trained network of one side, as a .pt2 beside what is known of it."""
    import torch

    from converters.compress import multiplyadds

    studio, model = _studio(folder, side)
    kind, _, share = side.partition("-")
    whole, cut = multiplyadds.total(model, studio.arguments), folder / f"{side}.thin"
    thin = copy.deepcopy(model)
    if kind in THINNED:
        if not cut.exists():
            torch.save(THINNED[kind](model, studio, float(share)), cut)
            return
        thin = torch.load(cut, weights_only=False)  # written by the lines above
    untrained = studio.score(thin)
    studio.record(score_untrained=-1.0 if untrained is None else untrained)
    if kind != "whole":
        thin = _tuned(thin, model, studio, kind)
    thin.eval()
    torch.export.save(torch.export.export(thin, studio.arguments), folder / f"{side}.pt2")
    facts = {
        "side": side,
        "removed_share": 1 - multiplyadds.total(thin, studio.arguments) / whole,
        "parameters": sum(parameter.numel() for parameter in thin.parameters()),
        "validation_score": studio.score(thin),
        "notes": studio.notes,
        "facts": studio.facts,
    }
    (folder / f"{side}.json").write_text(json.dumps(facts, indent=1))


def ours(model: Any, studio: Any, share: float) -> Any:
    """The network as `channels(share)` thins it, before it is fine-tuned."""
    from converters.compress import channels, multiplyadds

    return channels.thinner(model, studio, multiplyadds.total(model, studio.arguments), share)


def _tuned(thin: Any, model: Any, studio: Any, kind: str) -> Any:
    """As `channels(share)` goes on, whoever thinned it: batch norms measured anew or held where that serves better."""
    from converters.compress.channels import BATCH
    from converters.compress.sampling import together
    from converters.compress.settling import Settling, settled

    how = Settling(label=kind, batches=together(thin, studio.calibration(), BATCH))
    return settled(thin, model, how, studio)


def plain(model: Any, studio: Any, share: float) -> Any:
    """Torch-Pruning as its examples use it: the smallest uniform ratio that takes away `share` of the multiply-adds."""
    import torch_pruning

    from converters.compress import multiplyadds

    whole = multiplyadds.total(model, studio.arguments)
    for percent in range(1, 95):
        thin = copy.deepcopy(model)
        for parameter in thin.parameters():
            parameter.requires_grad_(True)
        pruner = torch_pruning.pruner.MagnitudePruner(
            thin,
            studio.arguments[0],
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=percent / 100,
            ignored_layers=[thin._fc],
        )
        pruner.step()
        if 1 - multiplyadds.total(thin, studio.arguments) / whole >= share:
            return thin
    raise AssertionError(f"no ratio removes {share:.0%} of the multiply-adds")


THINNED = {"ours": ours, "plain": plain}


def _studio(folder: Path, side: str) -> Any:
    """The product's own studio on the prepared network, and the network."""
    from converters import torchmodel, userfile
    from converters.compress.studio import Studio
    from converters.job import ShapeJob
    from converters.workshop import read_facts

    prepared = _prepared(folder, MODEL)
    job = ShapeJob(
        path=str(MODEL),
        format="python",
        prepared=prepared.folder,
        steps=(),
        training=TRAINING,
        seed=0,
        folder=str(folder),
        checkpoints=str(folder / f"training-{side}"),
        store=str(folder / "cache"),
    )
    model = torchmodel.again(MODEL, Path(prepared.folder), read_facts(Path(prepared.folder)))
    return Studio(job, model, sys.modules[userfile.MODULE]), model


def _convert(folder: Path, side: str, runtime: Any) -> None:
    import shutil

    import converters
    from converters import recipes

    source = folder / f"{side}.py"
    program, title = str(folder / f"{side}.pt2"), side.replace("-", " ")
    source.write_text(SOURCE.format(title=title, folder=str(MODEL.parent), program=program))
    prepared = _prepared(folder, source)
    for kind, recipe in RECIPES.items():
        variant = converters.convert(prepared, runtime, recipes.parse(recipe), workshop=_workshop(folder))
        if variant.failure is not None:
            raise SystemExit(f"{side} {runtime} {kind}: {variant.failure.reason}")
        shutil.copyfile(variant.path, path_of(folder, side, kind, runtime))


def _prepared(folder: Path, source: Path) -> Any:
    import converters

    model = ModelSource(source=str(source), calibration_samples=100, evaluation_samples=100)
    return converters.prepare(model, root=folder, workshop=_workshop(folder))


def _workshop(folder: Path) -> Any:
    import converters

    return converters.Workshop(cache=str(folder / "cache"), logs=str(folder))
