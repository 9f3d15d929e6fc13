import re
from pathlib import Path


def test_every_fault_that_is_said_to_be_survived_has_its_test(project: Path) -> None:
    named = re.findall(r"`(test_\w+)`", (project / "docs" / "adb.md").read_text())
    there = "".join(path.read_text() for path in (project / "tests" / "device_runners" / "adb").glob("test_*.py"))
    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in there] == []
