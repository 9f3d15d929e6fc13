"""Report -> one self-contained page: no address in it is ever fetched, and its policy says so to the browser."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.records import Report
from reports import benefits, charts, course, details, duels, plain, view, wording


def render(report: Report) -> str:
    """The page as text; everything that came from outside is escaped by the templates."""
    report = plain.report(report)
    summary = view.summarize(report)
    builds = details.builds(report, summary.rows)
    script = _asset("page.js")
    template = _environment().get_template("page.html.j2")
    return template.render(
        report=report,
        summary=summary,
        builds=builds,
        benefits=benefits.rows(report),
        benefit_quality=benefits.quality_label(report),
        duels=duels.rows(report),
        recommended=next((build for build in builds if build.row.recommended), None),
        baseline=_baseline(summary, builds),
        charts=charts.draw_all(report, summary, builds),
        sustained=course.runs(report, summary.rows),
        axes=charts.front_axes(report, summary),
        environment=details.environment(report),
        settings=details.settings(report),
        bench_yaml=details.bench_yaml(report),
        style=Markup(_asset("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _baseline(summary: view.Summary, builds: tuple[details.Build, ...]) -> view.Row | None:
    """What the recommended build is compared with: the baseline of its own runtime."""
    chosen = next((build.row for build in builds if build.row.recommended), None)
    if chosen is None or chosen.baseline:
        return None
    same = [row for row in summary.ranked if row.baseline and row.runtime == chosen.runtime]
    return next(iter(same), None)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["sentence"] = wording.sentence
    environment.globals["runtime_names"] = wording.RUNTIME_NAMES
    environment.globals["marks"] = view.MARKS
    return environment


def _breakable(words: str) -> Markup:
    """Lets a long recipe name break after `_` and `+`, and nowhere else."""
    return Markup(re.sub("([_+])", r"\1<wbr>", str(escape(words))))


def _asset(name: str) -> str:
    return resources.files("reports").joinpath("templates", name).read_text(encoding="utf-8")
