import re

import pytest

import reports
from harness.records import Report
from tests.reports.conftest import Look

pytestmark = pytest.mark.browser

ROW = re.compile(r'<th scope="row" data-value="([^"]*)"')
SORTED = re.compile(r'<th [^>]*aria-sort="(\w+)"><button type="button" data-sort="(\w+)"')
# Which texts of the drawings on show lie over each other: told in the page's title.
OVERLAPS = """
document.querySelectorAll("details").forEach(function (one) { one.open = true; });
var bad = [];
document.querySelectorAll("svg.chart").forEach(function (svg) {
  var texts = Array.from(svg.querySelectorAll("text")).filter(function (t) { return t.getClientRects().length; });
  var boxes = texts.map(function (t) { return t.getBoundingClientRect(); });
  var frame = svg.getBoundingClientRect();
  boxes.forEach(function (a, i) {
    if (a.left < frame.left - 1 || a.right > frame.right + 1) { bad.push("outside: " + texts[i].textContent); }
    for (var j = i + 1; j < boxes.length; j++) {
      var b = boxes[j];
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4) {
        bad.push(texts[i].textContent + " / " + texts[j].textContent);
      }
    }
  });
});
document.title = "FOUND[" + bad.slice(0, 5).join("; ") + "] of " + document.querySelectorAll("svg text").length;
"""
TOO_WIDE = 'document.title = "WIDTH " + (document.documentElement.scrollWidth - window.innerWidth);'


def order(dom: str) -> list[str]:
    return ROW.findall(dom)


def title(dom: str) -> str:
    return re.findall(r"<title>([^<]*)</title>", dom)[0]


def test_a_page_renders_without_a_word_on_the_console(report: Report, look: Look) -> None:
    said = look(reports.render_html(report))
    assert "Recommended build" in said
    assert "CONSOLE" not in said


def test_whatever_is_smuggled_into_a_page_is_not_fetched(report: Report, look: Look) -> None:
    html = reports.render_html(report).replace("<main>", '<main><img src="file:///x.png"><script>document.x=1</script>')
    said = look(html)
    refused = [line for line in said.splitlines() if "CONSOLE" in line and "Content Security Policy" in line]
    assert len(refused) == 2


def test_an_address_can_ask_for_an_order(report: Report, look: Look) -> None:
    html = reports.render_html(report)
    ranked = {s.variant: s.metrics["size_mb"].value for s in report.standings if s.rank}
    sizes = [ranked[build] for build in order(look(html, hash="#sort=size_mb:descending")) if build in ranked]
    assert sizes == sorted(ranked.values(), reverse=True)


def test_a_click_on_a_heading_sorts_and_a_second_one_reverses(report: Report, look: Look) -> None:
    html = reports.render_html(report)
    ranked = {s.variant: s.metrics["peak_rss_mb"].value for s in report.standings if s.rank}
    failed = [s.variant for s in report.standings if s.failure]
    click = "document.querySelector('[data-sort=peak_rss_mb]').click();"
    for clicks, reverse, state in ((1, False, "ascending"), (2, True, "descending")):
        dom = look(html, script=click * clicks)
        found = order(dom)
        assert [ranked[build] for build in found[: len(ranked)]] == sorted(ranked.values(), reverse=reverse)
        assert found[len(ranked) :] == failed
        assert SORTED.findall(dom) == [(state, "peak_rss_mb")]


def test_a_link_to_a_build_unfolds_it(report: Report, look: Look) -> None:
    assert re.search(r'<details id="build-2"[^>]* open=""', look(reports.render_html(report), hash="#build-2"))


@pytest.mark.parametrize("width", [1280, 400])
def test_no_text_in_a_drawing_covers_another_or_leaves_it(report: Report, look: Look, width: int) -> None:
    said = title(look(reports.render_html(report), script=OVERLAPS, width=width))
    assert said.startswith("FOUND[] of ")
    assert int(said.rpartition(" ")[2]) > 100


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_is_never_wider_than_its_window(report: Report, look: Look, width: int) -> None:
    assert int(title(look(reports.render_html(report), script=TOO_WIDE, width=width)).split()[1]) <= 0
