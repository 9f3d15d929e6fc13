"""Views of a Report: a page, a pull-request comment, a JUnit file, a terminal table.

Each is made from the Report record alone, at any time, and changes nothing that the report concludes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from harness.records import Report

__all__ = ["print_table", "render_html", "render_junit", "render_markdown"]


def render_html(report: Report) -> str:
    """report.html: one self-contained page that opens offline."""
    from reports import html

    return html.render(report)


def render_markdown(report: Report) -> str:
    """gate.md: what a reviewer wants to know, short enough for a pull-request comment."""
    from reports import markdown

    return markdown.render(report)


def render_junit(report: Report) -> str:
    """gate.junit.xml: a test case per gate and build, for the test views of CI systems."""
    from reports import junit

    return junit.render(report)


def print_table(report: Report, console: Console) -> None:
    """The ranking on a terminal, readable from 100 columns on."""
    from reports import terminal

    terminal.print_table(report, console)
