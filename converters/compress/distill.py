"""`distill(teacher.py)`: train against a teacher's soft labels, and, where asked for, its features.

The loss is the teacher's for every training of the recipe; the step itself trains only where no other step does. Soft
labels: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531. Features of unlike
width are compared by where they are strong (Zagoruyko and Komodakis, arXiv:1612.03928). Imports torch: for child
processes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from converters import frameworks, torchmodel, userfile
from converters.compress.objective import Inputs, Objective, distance, leaves, log_scores
from converters.compress.studio import Studio
from harness.errors import ConversionError
from harness.records import Step, Training

_NO_DATA = "add get_training_data() to the model's file; its labels may be None"


def prepare(step: Step, studio: Studio) -> None:
    """Make the teacher's loss the one of all trainings. Raises ConversionError or SourceError for a bad teacher."""
    path = Path(step.arguments[0]).expanduser()
    path = path if path.is_absolute() else Path.cwd() / path
    if not path.is_file():
        raise ConversionError(
            f"the teacher {step.arguments[0]} does not exist", remedy="name a file beside bench.yaml with get_model()"
        )
    if studio.lessons is None:
        raise ConversionError("`distill` trains, and there is no get_training_data()", remedy=_NO_DATA)
    if studio.has_own_training:
        raise ConversionError(
            "`distill` sets the loss, and the model's own train() has its own",
            remedy="take train() out of the model's file, or the teacher into it",
        )
    teacher = load(path, studio.arguments)
    compare_outputs(teacher, studio)
    ours, theirs = studio.score(studio.reference), studio.score(teacher)
    if ours is not None and theirs is not None and theirs <= ours:
        studio.note(f"the teacher ({studio.spelled(theirs)}) is no better than the model ({studio.spelled(ours)})")
    studio.objective = SoftLabels(studio.objective, teacher, studio.settings)


def apply(model: nn.Module, step: Step, studio: Studio) -> nn.Module:
    """Train, unless another step of the recipe does so with this loss; prepare() has been called."""
    others = [each.name for each in studio.steps if each.name != "distill"]
    if not others:
        studio.tune(model, label=f"distill({','.join(step.arguments)})")
    studio.record(used_by=others or ["distill"])
    return model


def load(path: Path, arguments: Inputs) -> nn.Module:
    """The teacher, frozen and in eval mode; its file needs get_model() and nothing else. A Keras one goes over to torch
    in torch's layers, so that `training.hints` can name them."""
    if frameworks.of_python(path) == "keras-python":
        with suppress(ImportError):  # his to say, where his own import fails
            import keras  # noqa: F401  before the user's code, which may ask for another backend
    module = userfile.load(path, name="teacher_source", required=("get_model",))
    given = torchmodel.got(module, path)
    if frameworks.is_keras(given):
        from converters import keras_layers

        teacher: nn.Module = keras_layers.of(given, arguments)
    else:
        teacher = torchmodel.checked(given)
    torchmodel.evaluate(teacher)
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    return teacher


def compare_outputs(teacher: nn.Module, studio: Studio) -> None:
    """Raises ConversionError when the teacher does not take the model's inputs or gives other outputs."""
    with torch.no_grad():
        wanted = [list(leaf.shape) for leaf in leaves(studio.reference(*studio.arguments))]
        try:
            given = [list(leaf.shape) for leaf in leaves(teacher(*studio.arguments))]
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise ConversionError(
                f"the teacher does not take the model's inputs: {error}", remedy="let it take what get_args() gives"
            ) from error
    if given != wanted:
        raise ConversionError(
            f"the teacher's outputs are {given}, the model's {wanted}",
            remedy="name a teacher for the same task, with outputs of the same shape",
        )


class SoftLabels(Objective):
    """The user's loss and the teacher's, mixed by Training.soft_share, plus the hints."""

    def __init__(self, base: Objective, teacher: nn.Module, settings: Training) -> None:
        self._base, self._teacher, self._settings = base, teacher, settings
        self._hints = [_Hint(text, teacher) for text in settings.hints]

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[None]:
        hooks = [hook for hint in self._hints for hook in hint.listen(model)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def __call__(self, model: nn.Module, inputs: Inputs, labels: torch.Tensor | None) -> torch.Tensor:
        outputs = model(*inputs)
        with torch.no_grad():
            soft = leaves(self._teacher(*inputs))
        share = self._settings.soft_share if labels is not None else 1.0
        loss = share * softly(leaves(outputs), soft, self._settings.temperature)
        if share < 1:
            loss = loss + (1 - share) * self._base.judged(outputs, inputs, labels)
        for hint in self._hints:
            loss = loss + self._settings.hint_weight * hint.distance()
        return loss


def softly(outputs: list[torch.Tensor], wanted: list[torch.Tensor], temperature: float) -> torch.Tensor:
    """How far the outputs are from the teacher's: of class scores the divergence at this temperature, times its square
    so that gradients keep their size; of other outputs the mean squared error."""
    if len(outputs) > 1 or outputs[0].dim() != 2 or outputs[0].shape[1] < 2:
        return distance(outputs, wanted)
    ours, theirs = log_scores(outputs[0], temperature), log_scores(wanted[0], temperature)
    return temperature**2 * functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)


class _Hint:
    """A layer of the model and one of the teacher whose outputs should be alike."""

    def __init__(self, text: str, teacher: nn.Module) -> None:
        self._ours_name, _, theirs = text.partition("=")
        self._theirs_name = theirs or self._ours_name
        self._theirs_layer = _layer(teacher, self._theirs_name, "the teacher")
        self._ours: Any = None
        self._theirs: Any = None

    def listen(self, model: nn.Module) -> list[Any]:
        layer = _layer(model, self._ours_name, "the model")
        return [layer.register_forward_hook(self._hear_ours), self._theirs_layer.register_forward_hook(self._hear)]

    def distance(self) -> torch.Tensor:
        """Raises ConversionError when the features cannot be compared."""
        ours, theirs = self._ours, self._theirs
        if ours.shape == theirs.shape:
            return distance([ours], [theirs])
        if ours.dim() < 3 or ours.shape[2:] != theirs.shape[2:]:
            raise ConversionError(
                f"the hint `{self._ours_name}={self._theirs_name}` compares {list(ours.shape)} "
                f"with {list(theirs.shape)}",
                remedy="name layers of equal shape, or of equal height and width",
            )
        return functional.mse_loss(_where_strong(ours), _where_strong(theirs)) * ours[0, 0].numel()

    def _hear_ours(self, layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self._ours = output

    def _hear(self, layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self._theirs = output


def _where_strong(features: torch.Tensor) -> torch.Tensor:
    return functional.normalize(features.square().mean(dim=1).flatten(1), dim=1)


def _layer(model: nn.Module, name: str, whose: str) -> nn.Module:
    """By its name, also where the model is wrapped for a training."""
    layers = dict(model.named_modules())
    found = layers.get(name) or layers.get(f"model.{name}")
    if found is not None:
        return found
    close = get_close_matches(name, layers, n=3, cutoff=0.3)
    near = f"the nearest are {', '.join(close)}" if close else "see the names in model.named_modules()"
    raise ConversionError(f"training.hints: {whose} has no layer `{name}`", remedy=near)
