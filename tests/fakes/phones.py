"""A made-up phone: a FakeLink that was taught what a cool, charged, unplugged phone answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from device_runners.adb.link import Link, Output
from device_runners.routes import Errand, Finished, Handset
from device_runners.wire import BuildFile, BuildResult, Request, Response, TensorFile, Timing
from harness.process import Bounds
from harness.records import Block
from tests.fakes.links import FakeLink

BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: false
  Charge counter: 2750000
  status: 3
  level: 68
  scale: 100
  voltage: 3912
  temperature: 287
"""
THERMAL = """IsStatusOverride: false
Thermal Status: {status}
Current temperatures from HAL:
  Temperature{{mValue=30.5, mType=3, mName=skin, mStatus=0}}
"""
PROPERTIES = """[ro.product.manufacturer]: [Google]
[ro.product.model]: [Pixel 9]
[ro.build.version.release]: [16]
[ro.build.version.sdk]: [36]
[ro.build.fingerprint]: [google/tokay/tokay:16/X/1:user/release-keys]
[ro.build.type]: [user]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.soc.manufacturer]: [Google]
[ro.soc.model]: [Tensor G4]
"""
BOUNDS = Bounds(timeout_secs=30)
TIMING = Timing(
    num_threads=1,
    warmup_runs=1,
    warmup_min_secs=0.0,
    warmup_max_secs=1.0,
    num_runs=10,
    min_secs=0.5,
    max_secs=5.0,
    blocks=1,
)


def state_text(*, battery: str = BATTERY, status: int = 0, awake: str = "Awake", boot: str = "b1") -> str:
    """What the script of device_runners/state.py prints on it."""
    parts = {
        "battery": battery,
        "thermal": THERMAL.format(status=status),
        "power": f"  mWakefulness={awake}\n",
        "airplane_mode": "1\n",
        "power_save": "0\n",
        "clocks": "cpu0 1000 2000 2000\n",
        "load": "0.5 0.4 0.3 1/100 1234\n",
        "boot": f"{boot}\n",
        "busy": "cpu  0 0 0 100 0 0 0 0\ncpu  5 0 0 195 0 0 0 0\n",
    }
    return "".join(f"\n@@pocketbench {name}\n{text}" for name, text in parts.items())


def phone(serial: str = "R58M12ABCDE", **told: str) -> FakeLink:
    """It has every file already, holds, and lets go; teach it more where a test needs it."""
    link = FakeLink(serial, how="server")
    link.on_script("getprop; echo", f"{PROPERTIES}\n@@memory\nMemTotal: 12000000 kB\n")
    link.on_script("dumpsys battery", state_text(**told))
    link.on_script('cat "$1/holder"', 9)
    link.on_script("beat.new", "")
    link.on_script("sha256sum", "present\n")
    link.on_script("umask 022; mkdir -p", "")
    link.on_script("set-fixed-performance-mode-enabled true", "on\n")
    link.on_script("started", "")
    link.on("rm", answer="")
    link.on("pm", "path", answer="package:/data/app/base.apk\n")
    link.on("sha256sum", "/data/app/base.apk", answer=f"{'5' * 64}  /data/app/base.apk\n")
    link.on_script("chmod 644", "")
    link.on("am", "force-stop", answer="")
    link.on("logcat", answer="")
    return link


class Desk:
    """A Handset for tests of routes: `execute` answers what it is given, `stored` says where a file would lie."""

    def __init__(self, link: FakeLink, *answers: Finished | Exception) -> None:
        self.fake = link
        self._answers = list(answers)
        self.commands: list[list[str]] = []
        self.pushed: list[tuple[Path, int]] = []

    @property
    def link(self) -> Link:
        return self.fake

    def execute(self, argv: Sequence[str], errand: Errand, *, watch_memory: bool = False) -> Finished:
        self.commands.append(list(argv))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stored(self, file: Path, *, mode: int) -> str:
        self.pushed.append((file, mode))
        return f"/data/local/tmp/pocketbench/files/{file.name}"


class StaticRoute:
    """Serves every request with what `answer` makes of it; keeps the errands."""

    name = "static"

    def __init__(self, answer: Callable[[Errand], Response] | None = None, *, plans: bool = True) -> None:
        self.plans = plans
        self._answer = answer or respond
        self.errands: list[Errand] = []
        self.prepared = 0

    def prepare(self, phone: Handset) -> dict[str, str]:
        self.prepared += 1
        return {"route": "static"}

    def serve(self, phone: Handset, errand: Errand) -> Response:
        self.errands.append(errand)
        return self._answer(errand)


def respond(errand: Errand) -> Response:
    """Every build took 2 ms, ten times."""
    block = Block(wall_ns=(2_000_000,) * 10, wait_ns=(0,) * 10)
    request = errand.request
    count = [sum(planned.build == number for planned in request.plan) or 1 for number in range(len(request.builds))]
    results = tuple(
        BuildResult(build=build.id, load_ns=5, first_inference_ns=7, warmup=block, blocks=(block,) * number)
        for build, number in zip(request.builds, count, strict=True)
    )
    return Response(run_id=request.run_id, started="2026-01-01T00:00:00", results=results)


def build(path: Path, id_: str = "tflite/fp32") -> BuildFile:
    runtime = "tflite" if id_.startswith("tflite") else "executorch"
    return BuildFile(id=id_, runtime=runtime, path=str(path), sha256="0" * 64)  # type: ignore[arg-type]


def request(folder: Path, *ids: str, **changes: object) -> Request:
    """For builds whose files lie in the folder."""
    builds = []
    for id_ in ids or ("tflite/fp32",):
        path = folder / f"{id_.replace('/', '-')}.bin"
        path.write_text(id_)
        builds.append(build(path, id_))
    fields: dict[str, object] = {"run_id": "run/1", "builds": tuple(builds), "timing": TIMING}
    return Request(**{**fields, **changes})  # type: ignore[arg-type]


def samples(folder: Path) -> tuple[TensorFile, ...]:
    (folder / "input_0.bin").write_bytes(bytes(32))
    return (TensorFile(path=str(folder / "input_0.bin"), dtype="float32", shape=(1, 4), samples=2),)


def output(text: str, code: int = 0) -> Output:
    return Output(code=code, stdout=text.encode())
