"""The rich report, and Chromium to look at pages with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from harness.process import Bounds, execute
from harness.records import Report
from tests.fakes.build_report import build

SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    *("--enable-logging=stderr", "--virtual-time-budget=2000"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome")

Look = Callable[..., str]


@pytest.fixture(scope="session")
def report() -> Report:
    return build()


@pytest.fixture(scope="session")
def look(tmp_path_factory: pytest.TempPathFactory) -> Look:
    """look(html, hash="", script="", width=1280): everything Chromium said, and the page as it stood at the end."""
    chromium = next((path for name in NAMES if (path := shutil.which(name))), None)
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")

    def look(html: str, *, hash: str = "", script: str = "", width: int = 1280) -> str:
        folder = tmp_path_factory.mktemp("page")
        page, log = folder / "report.html", folder / "log"
        page.write_text(_with_script(html, script), encoding="utf-8")
        profile = f"--user-data-dir={folder / 'profile'}"
        argv = [chromium, *SWITCHES, profile, f"--window-size={width},1400", "--dump-dom", f"{page.as_uri()}{hash}"]
        execute(argv, bounds=Bounds(timeout_secs=90), log=log)
        return log.read_text(encoding="utf-8")

    return look


def _with_script(html: str, script: str) -> str:
    """The page with a script of ours in it, which its own policy would forbid."""
    if not script:
        return html
    policy = html.index('<meta http-equiv="Content-Security-Policy"')
    end = html.index(">", policy) + 1
    return html[:policy] + html[end:].replace("</body>", f"<script>{script}</script></body>")
