"""The device of our own tests with the app on it: `am instrument` there runs the app's own Java, on a JVM, on the real
runtimes. What it measures is this machine's processor."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from android_app.ci import jvm, tools
from tests.device.sandbox import Sandbox

PROGRAMS = Path(__file__).with_name("phone")


def binds(project: Path) -> dict[str, str]:
    """What the device must be able to read: the project, the runtimes' wheels, the JDK and this machine's libraries."""
    home = tools.java_home()
    folders = [str(project), sys.base_prefix, sys.prefix, str(home)]
    settings = {str(path): str(path) for path in Path("/etc").glob(f"java-*{home.name.split('-')[1]}*")}
    libraries = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH"))
    return {folder: folder for folder in folders} | settings | {str(libraries): "/host"}


def put_app(device: Sandbox, built: jvm.Jvm, installed: tuple[str, ...] = ()) -> Sandbox:
    """Android's commands around the app, and a `java` that starts this machine's. installed: packages that are there
    from the beginning."""
    home = tools.java_home()
    libraries = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH"))
    loader = next(libraries.glob("ld-linux-*.so.*")).name
    options = " ".join(f"'{word}'" for word in built.command()[1:-3])  # without -cp CLASSES MAIN
    path = f"/host:{home}/lib:{home}/lib/server"
    device.program(
        "java",
        f"""#!/system/bin/sh
export HOME=/data/local/tmp
exec /host/{loader} --argv0 java --library-path '{path}' '{home}/bin/java' {options} "$@"
""",
    )
    apps = device.folder / "etc" / "apps"
    apps.mkdir(exist_ok=True)
    for package in installed:
        (apps / f"{package}.apk").write_text("the app, without its package\n")
    for program in sorted(PROGRAMS.iterdir()):
        device.program(program.name, program.read_text().replace("$APP_CLASSES", os.fspath(built.classes)))
    return device
