import io

import msgspec
import pytest
from rich.console import Console

import reports
from harness import pipeline
from harness.records import Report


@pytest.fixture(scope="module")
def judged(report: Report) -> Report:
    """The rich report with the ranking, verdicts and doubts that the harness itself draws from its samples."""
    asked = msgspec.structs.replace(report.experiment, gates=("on_cpu_ms.p90 <= 12", "size_mb <= 0.5 x baseline"))
    bare = msgspec.structs.replace(report, experiment=asked, standings=(), verdicts=(), recommendation=None)
    return pipeline.judge(bare)


def test_every_build_and_doubt_of_the_harness_is_on_the_page(judged: Report) -> None:
    html = reports.render_html(judged)
    ids = {caveat.id for standing in judged.standings for caveat in standing.caveats}
    assert ids and all(f'id="caveat-{id_}"' in html for id_ in ids)
    assert all(f'data-value="{variant.id}"' in html for variant in judged.variants)


def test_the_other_views_name_the_same_recommendation(judged: Report) -> None:
    out = io.StringIO()
    reports.print_table(judged, Console(file=out, width=100))
    assert judged.recommendation is not None
    name = judged.recommendation.variant
    assert name
    for text in (out.getvalue(), reports.render_markdown(judged), reports.render_junit(judged)):
        assert name in text


def test_every_verdict_of_the_harness_is_a_case(judged: Report) -> None:
    assert judged.verdicts
    assert reports.render_junit(judged).count("<testcase ") == len(judged.verdicts)
