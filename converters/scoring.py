"""score(): what the model's own task metric says about a build's outputs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from converters import cache, digests, job
from converters.workshop import Prepared, Workshop, read_facts
from harness.errors import SourceError

KIND = "scores"
_OUTPUTS = "output_*.npy"


def score(prepared: Prepared, outputs: Path, *, workshop: Workshop) -> float | None:
    """The user's metric over `outputs`, a folder with output_<j>.npy [N, *output shape] like Prepared's reference.

    None when the source has no get_metric(). Equal outputs are judged once (cached). Raises SourceError when the
    metric itself fails, naming the user's line.
    """
    facts = read_facts(Path(prepared.folder))
    if not facts.own_metric:
        return None
    seen = digests.of_files(outputs, _OUTPUTS)
    if seen == facts.reference and facts.reference_score is not None:
        return facts.reference_score
    key = digests.of_record([prepared.key, seen, digests.of_our_code()])
    found = cache.Found() if workshop.fresh else cache.find(Path(workshop.cache), KIND, key)
    if found.folder:
        return msgspec.json.decode((Path(found.folder) / "score.json").read_bytes(), type=float)
    return _score_anew(prepared, outputs, workshop, key)


def _score_anew(prepared: Prepared, outputs: Path, shop: Workshop, key: str) -> float:
    root = Path(shop.cache)
    with cache.draft(root) as draft:
        task = job.ScoreJob(
            path=prepared.path, prepared=prepared.folder, outputs=str(outputs.resolve()), folder=str(draft)
        )
        answer = job.run(task, workshop=shop, log=Path(shop.logs) / "score.log", cwd=Path(prepared.root))
        if answer.failure is not None or answer.score is None:
            failure = answer.failure
            reason = failure.reason if failure else "the model's own metric gave nothing"
            raise SourceError(reason, remedy=(failure.remedy if failure else "") or f"see {shop.logs}")
        with cache.store_errors(root):
            (draft / "score.json").write_bytes(msgspec.json.encode(answer.score))
        cache.publish(root, KIND, key, draft)
    return answer.score
