import re
from html.parser import HTMLParser

import msgspec
import pytest
import yaml

import reports
from harness.records import (
    Block,
    Caveat,
    Device,
    Experiment,
    Failure,
    Measurement,
    ModelSource,
    Report,
    Restart,
    Standing,
    Variant,
)
from reports import details

replace = msgspec.structs.replace
VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}
EVIL = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&{{7*7}}"


class Page(HTMLParser):
    """What a page is made of; complains where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open[-1:]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def all_failed(report: Report) -> Report:
    why = Failure(stage="convert", reason="out of memory", remedy="raise limits.memory_limit_mb")
    variants = tuple(replace(variant, contents=None, path="", failure=why) for variant in report.variants)
    standings = tuple(Standing(variant=variant.id, failure=why) for variant in variants)
    bare = replace(report, measurements=(), verdicts=(), recommendation=None, gate_outcome=None)
    return replace(bare, variants=variants, standings=standings)


def one_build(report: Report) -> Report:
    name = report.standings[0].variant
    return replace(
        report,
        variants=tuple(v for v in report.variants if v.id == name),
        measurements=tuple(m for m in report.measurements if m.variant == name),
        standings=report.standings[:1],
        verdicts=tuple(v for v in report.verdicts if v.variant == name),
    )


def ready_made(report: Report) -> Report:
    """A finished file: no reference, no quality, no gates, no recipe worth the name."""
    alone = one_build(report)
    names = {"accuracy", "cosine", "top1_agreement", "snr_db", "max_abs_diff"}
    metrics = {name: value for name, value in alone.standings[0].metrics.items() if name not in names}
    return replace(
        alone,
        standings=(replace(alone.standings[0], metrics=metrics),),
        measurements=tuple(replace(m, quality=None) for m in alone.measurements),
        verdicts=(),
        gate_outcome=None,
    )


def interrupted(report: Report) -> Report:
    cut = replace(report, measurements=report.measurements[:2], standings=(), verdicts=(), gate_outcome=None)
    return replace(cut, complete=False, recommendation=None)


def at_the_very_start(report: Report) -> Report:
    return Report(experiment=report.experiment)


CASES = (lambda report: report, all_failed, one_build, ready_made, interrupted, at_the_very_start)


@pytest.fixture(params=CASES, ids=lambda case: case.__name__.strip("<>"))
def any_report(request: pytest.FixtureRequest, report: Report) -> Report:
    made: Report = request.param(report)
    return made


def test_a_page_is_well_formed_and_its_inner_links_lead_somewhere(any_report: Report) -> None:
    page = Page(reports.render_html(any_report))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = [href[1:] for href in page.values("href") if href.startswith("#")]
    labels = [id_ for value in page.values("aria-labelledby") for id_ in value.split()]
    assert set(targets) | set(labels) <= set(ids)


def test_a_page_names_no_address_that_could_be_fetched(any_report: Report) -> None:
    html = reports.render_html(any_report)
    page = Page(html)
    assert "://" not in html
    assert "url(" not in html and "@import" not in html
    assert all(href.startswith("#") for href in page.values("href"))
    assert not page.values("src") and not page.values("srcset")
    (policy,) = (value for value in page.values("content") if "default-src" in value)
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy


def test_all_that_is_not_a_ranked_build_is_a_row_with_its_reason(report: Report) -> None:
    text = Page(reports.render_html(report)).text
    assert "not offered: executorch has no kernel for 16-bit activations on the CPU" in text
    assert "failed (measure): converters.worker was ended by SIGSEGV while it loaded the file" in text
    assert "What to do: See the log; the other builds are not touched by it" in text


def test_the_host_is_labelled_as_the_host(report: Report) -> None:
    text = Page(reports.render_html(report)).text
    assert "HOST This computer (host), no phone: AMD EPYC 9R14" in text
    phone = replace(report, devices=(Device(kind="phone", name="Pixel 8", soc="Tensor G3"),))
    text = Page(reports.render_html(phone)).text
    assert "Phone: Tensor G3, Pixel 8" in text and "no phone:" not in text


def test_a_number_that_has_an_interval_is_never_shown_without_it(report: Report) -> None:
    html = reports.render_html(report)
    body = re.findall(r"<tbody>.*?</tbody>", html, re.DOTALL)[0]
    cells = re.findall(r'<td class="num" data-value="([\d.e-]+)">(.*?)</td>', body, re.DOTALL)
    ranked = [standing for standing in report.standings if standing.rank]
    exact = {standing.metrics[name].value for standing in ranked for name in ("size_mb", "download_mb")}
    assert len(cells) == 7 * len(ranked)
    for value, cell in cells:
        assert ('class="ci"' in cell) == (float(value) not in exact)


def test_a_run_in_which_every_build_failed_says_so(report: Report) -> None:
    text = Page(reports.render_html(all_failed(report))).text
    assert "No build could be measured; the reasons are in the table." in text
    assert text.count("failed (convert): out of memory") == 2 * len(report.variants)
    assert "No build is recommended" in text


def test_an_interrupted_run_says_so_before_any_number(report: Report) -> None:
    text = Page(reports.render_html(interrupted(report))).text
    assert text.index("This run was interrupted: 2 of 13 builds have been measured.") < text.index("Ranking")


def test_without_gates_there_is_no_table_of_gates(report: Report) -> None:
    ungated = replace(report, verdicts=(), gate_outcome=None, experiment=replace(report.experiment, gates=()))
    page = Page(reports.render_html(ungated))
    assert "gates" not in page.values("id")
    assert "No gates were set." in page.text


def test_without_quality_latency_is_drawn_against_size(report: Report) -> None:
    names = {"accuracy", "cosine", "top1_agreement"}
    bare = tuple(
        replace(standing, metrics={name: value for name, value in standing.metrics.items() if name not in names})
        for standing in report.standings
    )
    assert "File against latency" in Page(reports.render_html(replace(report, standings=bare))).text


def test_one_build_is_not_drawn_against_itself(report: Report) -> None:
    assert "trade-off" not in Page(reports.render_html(one_build(report))).values("id")


def test_a_doubt_is_told_with_its_advice_next_to_the_build_and_in_the_legend(report: Report) -> None:
    html = reports.render_html(report)
    assert html.count("Look at the weights listed for this build") == 2
    assert html.count('href="#caveat-PARTLY-QUANTIZED"') == 2


def hostile() -> Report:
    """Every string that can come from outside says something nasty."""
    failure = Failure(stage="convert", reason=EVIL, remedy=EVIL, log=EVIL)
    caveat = Caveat(id=EVIL, summary=EVIL, advice=EVIL, detail=EVIL)
    device = Device(kind="host", name=EVIL, soc=EVIL, facts={EVIL: EVIL})
    experiment = Experiment(model=ModelSource(source=EVIL, name=EVIL), name=EVIL)
    block = Block(wall_ns=(1_000_000, 2_000_000))
    restart = Restart(started="", load_ms=1, first_inference_ms=1, warmup=block, blocks=(block,), delegate=EVIL)
    measurement = Measurement(variant=EVIL, device=device, settings=experiment.settings, restarts=(restart,))
    return Report(
        id=EVIL,
        created=EVIL,
        tool_version=EVIL,
        experiment=experiment,
        devices=(device,),
        variants=(Variant(id="tflite/a", runtime="tflite", recipe=EVIL, failure=failure, warnings=(EVIL,)),),
        measurements=(measurement,),
        standings=(
            Standing(variant="tflite/a", failure=failure, caveats=(caveat,)),
            Standing(variant=EVIL, rank=1, caveats=(caveat,)),
        ),
        environment={EVIL: EVIL},
        complete=True,
    )


def test_what_users_and_tools_wrote_cannot_become_markup() -> None:
    html = reports.render_html(hostile())
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "alert(1)" in page.text and "{{7*7}}" in page.text


def test_the_bench_yaml_on_the_page_asks_for_the_same_run(report: Report) -> None:
    asked = msgspec.convert(yaml.safe_load(details.bench_yaml(report)), type=Experiment)
    assert asked == report.experiment


def test_the_page_does_not_grow_with_the_samples(report: Report) -> None:
    first = report.measurements[0]
    times = tuple(range(8_000_000, 8_400_000, 2))
    heavy = replace(first.restarts[0], blocks=(Block(wall_ns=times, wait_ns=(0,) * len(times)),))
    long = replace(report, measurements=(replace(first, restarts=(heavy,)), *report.measurements[1:]))
    html = reports.render_html(long)
    assert "200,000 samples" in html
    assert len(html) < 2**20


def test_what_a_file_really_holds_is_told(report: Report) -> None:
    text = Page(reports.render_html(report)).text
    assert "float32 62 %, int8 38 %" in text
    assert "96.7 % (58 of 60)" in text
    assert "255 (most 255)" in text
