"""Is a package as closed as it says? Its merged manifest, where libraries may have left something, and its libraries.

`python -m android_app.ci.package_check APK...` prints what is wrong with each, and ends with 1 where anything is.
"""

from __future__ import annotations

import re
import struct
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from android_app.ci import tools
from harness.errors import PocketbenchError, RunnerError
from harness.process import Bounds, execute

PAGE_BYTES = 0x4000  # devices with pages of 16 KB load nothing that is aligned to less
PROVIDER = "org.pocketbench.app.ResultsProvider"
_COMPONENTS = ("activity", "activity-alias", "service", "receiver", "provider")
_PERMISSIONS = ("uses-permission", "uses-permission-sdk-23", "permission", "permission-tree", "permission-group")
_WIDE = ("/arm64-v8a/", "/x86_64/")  # no 32-bit device has such pages
_LOAD = 1
_ELEMENT = re.compile(r"^(?P<indent> *)E: (?P<name>[\w-]+)")
_ATTRIBUTE = re.compile(
    r'^ *A: (?:android:)?(?P<name>\w+)(?:\(0x\w+\))?=(?:"(?P<text>[^"]*)"|\(type 0x12\)(?P<flag>0x\w+)|(?P<raw>.*))'
)


class Element(NamedTuple):
    """One element of a manifest; flags are "true" or "false"."""

    name: str
    attributes: dict[str, str]


def manifest(apk: Path, log: Path) -> list[Element]:
    """The manifest inside a package, element by element."""
    log.unlink(missing_ok=True)
    argv = [tools.program("aapt"), "dump", "xmltree", str(apk), "AndroidManifest.xml"]
    execute(argv, bounds=Bounds(timeout_secs=60), log=log)
    found: list[Element] = []
    for line in log.read_text().splitlines():
        if element := _ELEMENT.match(line):
            found.append(Element(element["name"], {}))
        elif found and (attribute := _ATTRIBUTE.match(line)):
            flag = attribute["flag"]
            value = ("true" if int(flag, 16) else "false") if flag else attribute["text"] or attribute["raw"] or ""
            found[-1].attributes[attribute["name"]] = value
    return found


def wrong(apk: Path) -> list[str]:
    """Everything, in words; empty when all is well."""
    with tempfile.TemporaryDirectory() as folder:
        found = list(open_doors(manifest(apk, Path(folder) / "aapt.log")))
    with zipfile.ZipFile(apk) as package:
        libraries = [name for name in package.namelist() if name.endswith(".so") and any(w in name for w in _WIDE)]
        for name in libraries:
            least = alignment(package.read(name))
            if least < PAGE_BYTES:
                found.append(f"{name} is aligned to {least} bytes")
    return found


def open_doors(elements: list[Element]) -> Iterator[str]:
    """What a manifest asks for or lets in beyond the provider of results."""
    for name, one in elements:
        told = one.get("name", "")
        if name in _PERMISSIONS:
            yield f"<{name}> {told}"
        if name == "intent-filter":
            yield "an intent filter"
        if name in _COMPONENTS and one.get("exported") != "false" and told != PROVIDER:
            yield f"{name} {told} is exported"
        if name == "provider" and told == PROVIDER:
            yield from _provider(one)
        if name == "application":
            flags = {"debuggable": "false", "testOnly": "false", "allowBackup": "true", "usesCleartextTraffic": "false"}
            yield from (f"{flag} is on" for flag, unsaid in flags.items() if one.get(flag, unsaid) != "false")
    package = next((one.get("package", "") for name, one in elements if name == "manifest"), "")
    targets = [one.get("targetPackage", "") for name, one in elements if name == "instrumentation"]
    if targets != [package]:
        yield f"{package} instruments {', '.join(targets) or 'nothing'}"


def _provider(one: dict[str, str]) -> Iterator[str]:
    if one.get("permission") != "android.permission.DUMP" or {"readPermission", "writePermission"} & set(one):
        yield "the provider of results is not guarded by DUMP alone"
    if one.get("grantUriPermissions", "false") != "false":
        yield "the provider of results lends its files"


def alignment(library: bytes) -> int:
    """The least alignment of what a 64-bit ELF library loads, in bytes; RunnerError where it is none."""
    if library[:6] != b"\x7fELF\x02\x01":
        raise RunnerError("a library is not a 64-bit little-endian ELF file", remedy="build the app again")
    (table,) = struct.unpack_from("<Q", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    headers = [struct.unpack_from("<I44xQ", library, table + number * size) for number in range(count)]
    return min(int(align) for kind, align in headers if kind == _LOAD)


def main(argv: list[str]) -> int:
    bad = not argv
    for name in argv:
        try:
            found = wrong(Path(name))
        except PocketbenchError as error:
            found = [f"{error.message}; {error.remedy}"]
        for one in found:
            print(f"{name}: {one}", file=sys.stderr)  # noqa: T201
        bad = bad or bool(found)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
