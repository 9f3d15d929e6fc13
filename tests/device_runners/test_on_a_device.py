"""A phone's runner over a real adb connection: Android's own daemon in a sandbox, with a stand-in for the app."""

from __future__ import annotations

import base64
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device_runners import choice, identity, rails, state
from device_runners.adb.connect import connect
from device_runners.adb.link import Link
from device_runners.adb.server import Server
from device_runners.android import AndroidRunner, Ears
from device_runners.app_package import PACKAGES
from device_runners.app_route import AppRoute
from device_runners.drain import Drain
from device_runners.handset import PhoneHandset
from device_runners.routes import Errand
from device_runners.wire import BuildResult, Response
from harness import caveats, device_commands, energy
from harness.errors import RunnerError
from harness.process import Bounds
from harness.records import Block, Phone
from tests.device.sandbox import Sandbox
from tests.device_runners.adb.conftest import soon
from tests.device_runners.test_rails import descriptor, packet, reading
from tests.fakes import judged, phones
from tests.fakes.phones import StaticRoute

PM = f"#!/system/bin/sh\necho package:/data/app/{PACKAGES['tflite']}/base.apk\n"
QUICK = Phone(cool_down_secs=0.0)


@pytest.fixture
def link(sandbox: Sandbox) -> Iterator[Link]:
    with contextlib.closing(connect(sandbox.serial, tell=lambda _: None)) as found:
        yield found


@pytest.fixture
def own_server(adb_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What asks the adb server asks ours, and starts no other."""
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(adb_server.port))


@pytest.fixture
def runner(sandbox: Sandbox, link: Link) -> Iterator[Callable[..., AndroidRunner]]:
    made: list[AndroidRunner] = []

    def make(route: object = None) -> AndroidRunner:
        sandbox.program("pm", PM)
        ears = Ears(tell=lambda _: None)
        made.append(AndroidRunner(link, route or AppRoute(), QUICK, ears))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def found_after(runner: AndroidRunner, folder: Path) -> dict[str, str]:
    """The ids of the caveats, with their details, that one request raises."""
    response = runner.run(phones.request(folder), folder=folder, bounds=phones.BOUNDS)
    restarts = judged.restarts(facts=response.facts)
    measured = judged.measurement(restarts=restarts, device=judged.PHONE)
    return {caveat.id: caveat.detail for caveat in caveats.judge(judged.facts(measurement=measured))}


def test_a_healthy_device_raises_no_doubt_about_its_state(runner: Callable[..., AndroidRunner], tmp_path: Path) -> None:
    doubts = found_after(runner(StaticRoute()), tmp_path)
    assert not {"THERMAL-LIMITED", "LOW-BATTERY", "CHARGING", "CHARGER-CHANGED", "MADE-UP-STATE"} & set(doubts)
    assert doubts["STATE-UNKNOWN"] == "nothing is known about: screen"


def test_a_hot_device_with_a_low_battery_is_doubted(
    sandbox: Sandbox, runner: Callable[..., AndroidRunner], tmp_path: Path
) -> None:
    sandbox.say("thermalservice", sandbox.told("thermalservice").replace("Thermal Status: 0", "Thermal Status: 3"))
    sandbox.say("battery", sandbox.told("battery").replace("level: 68", "level: 5"))
    doubts = found_after(runner(StaticRoute()), tmp_path)
    assert (
        "thermal status 3 (severe)" in doubts["THERMAL-LIMITED"] and doubts["LOW-BATTERY"] == "the battery was at 5 %"
    )


def test_a_charger_that_is_plugged_in_on_the_way_is_seen(
    sandbox: Sandbox, runner: Callable[..., AndroidRunner], tmp_path: Path
) -> None:
    def plugged_in(errand: Errand) -> Response:
        sandbox.say("battery", sandbox.told("battery").replace("USB powered: false", "USB powered: true"))
        return phones.respond(errand)

    doubts = found_after(runner(StaticRoute(plugged_in)), tmp_path)
    assert doubts["CHARGER-CHANGED"] == "powered by USB, none at different times" and "CHARGING" in doubts


def test_a_worker_that_is_killed_is_a_failed_row_and_nothing_is_left_running(
    sandbox: Sandbox, runner: Callable[..., AndroidRunner], tmp_path: Path
) -> None:
    sandbox.program("am", '#!/system/bin/sh\n[ "$1" = instrument ] && { echo begun; kill -9 $$; }\nexit 0\n')
    made = runner()
    with pytest.raises(
        RunnerError, match=r"`am instrument` was ended by signal 9, often the phone's low-memory killer"
    ):
        made.run(phones.request(tmp_path), folder=tmp_path, bounds=phones.BOUNDS)
    made.close()
    assert "begun" in (tmp_path / "worker.log").read_text()
    assert soon(lambda: sandbox.processes() == [])


def test_a_worker_that_hangs_is_killed_on_the_phone_when_its_time_is_up(
    sandbox: Sandbox, runner: Callable[..., AndroidRunner], tmp_path: Path
) -> None:
    sandbox.program("am", '#!/system/bin/sh\n[ "$1" = instrument ] && sleep 300\nexit 0\n')
    made = runner()
    with pytest.raises(RunnerError, match="passed its limit"):
        made.run(phones.request(tmp_path), folder=tmp_path, bounds=Bounds(timeout_secs=1))
    made.close()
    assert soon(lambda: sandbox.processes() == [])


def test_whoever_gives_up_leaves_nothing_running_and_nothing_changed(
    sandbox: Sandbox, link: Link, tmp_path: Path
) -> None:
    sandbox.program("am", '#!/system/bin/sh\n[ "$1" = instrument ] && sleep 300\nexit 0\n')
    sandbox.program("pm", PM)
    stopped = threading.Event()

    def pulse() -> None:
        if stopped.is_set():
            raise KeyboardInterrupt

    made = AndroidRunner(link, AppRoute(), QUICK, Ears(tell=lambda _: None, pulse=pulse))
    threading.Timer(0.5, stopped.set).start()
    with pytest.raises(KeyboardInterrupt):
        made.run(phones.request(tmp_path), folder=tmp_path, bounds=phones.BOUNDS)
    made.close()
    assert soon(lambda: sandbox.processes() == [])


def test_hostile_names_are_only_names_over_there(
    sandbox: Sandbox, runner: Callable[..., AndroidRunner], tmp_path: Path
) -> None:
    hostile = tmp_path / "a;touch $(id >x) '\"\n.. `reboot`"
    hostile.mkdir()
    request = phones.request(hostile, run_id="../../$(touch hacked)")
    response = runner(StaticRoute()).run(request, folder=hostile, bounds=phones.BOUNDS)
    assert response.run_id == request.run_id
    assert not [path for path in sandbox.tmp.rglob("*") if path.name in ("hacked", "x")]


def test_files_are_pushed_once_and_cleaned_away_on_request(
    sandbox: Sandbox, runner: Callable[..., AndroidRunner], tmp_path: Path
) -> None:
    made = runner(StaticRoute())
    for _ in range(2):
        made.run(phones.request(tmp_path), folder=tmp_path, bounds=phones.BOUNDS)
    made.close()
    ours = sandbox.tmp / "pocketbench"
    assert len(list((ours / "files").iterdir())) == 1 and not list((ours / "jobs").iterdir())
    answer = device_commands.clean(sandbox.serial, lambda _: None)
    assert sandbox.serial in answer.text and not ours.exists()


def test_the_sandbox_is_told_from_a_phone(sandbox: Sandbox, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    assert identity.look(link).kind == "sandbox"
    monkeypatch.setenv("POCKETBENCH_SANDBOX", sandbox.serial)
    runner = choice.sandbox(choice.Wanted(device="sandbox", tell=lambda _: None))
    assert runner.device().kind == "sandbox"
    runner.close()
    sandbox.prop("ro.build.fingerprint", "google/tokay/tokay:16/X/1:user/release-keys")
    with pytest.raises(RunnerError, match="is no sandbox"):
        choice.sandbox(choice.Wanted(device="sandbox", tell=lambda _: None))


def test_devices_and_doctor_speak_about_a_device_in_use(sandbox: Sandbox, own_server: None) -> None:
    listed = device_commands.devices([sandbox.serial])
    assert f"{sandbox.serial:24} sandbox: Pocketbench Sandbox" in listed.text and "battery percent 68" in listed.text
    assert [device.kind for device in listed.data][-1] == "sandbox"
    sandbox.say("battery", sandbox.told("battery").replace("AC powered: false", "AC powered: true"))
    checks = device_commands.examine([sandbox.serial])
    assert "warning" in checks.text and "it is charging (AC)" in checks.text and "MB are free" in checks.text
    assert all(f"the benchmark app for {name} ({package}) is " in checks.text for name, package in PACKAGES.items())


def test_a_device_that_is_measured_is_in_use_for_others_until_it_is_free_again(
    sandbox: Sandbox, own_server: None, tmp_path: Path
) -> None:
    def session() -> AndroidRunner:
        link = connect(sandbox.serial, tell=lambda _: None)
        return AndroidRunner(link, StaticRoute(), QUICK, Ears(tell=lambda _: None))

    with contextlib.closing(session()) as first, contextlib.closing(session()) as second:
        first.run(phones.request(tmp_path), folder=tmp_path, bounds=phones.BOUNDS)
        for refused in (
            second.device,
            lambda: second.run(phones.request(tmp_path), folder=tmp_path, bounds=phones.BOUNDS),
        ):
            with pytest.raises(RunnerError, match=rf"{sandbox.serial} is in use by .* process {os.getpid()}"):
                refused()
        assert "it is in use by" in device_commands.devices([sandbox.serial]).text
        assert "it is in use by" in device_commands.examine([sandbox.serial]).text
        assert sandbox.processes() != []
        device_commands.clean(sandbox.serial, lambda _: None)
        assert soon(lambda: sandbox.processes() == [])
        second.run(phones.request(tmp_path), folder=tmp_path, bounds=phones.BOUNDS)
        with pytest.raises(RunnerError, match="is in use by"):
            first.run(phones.request(tmp_path), folder=tmp_path, bounds=phones.BOUNDS)
    assert soon(lambda: sandbox.processes() == [])
    assert "it is in use by" not in device_commands.devices([sandbox.serial]).text


def test_a_device_that_started_anew_during_a_session_is_nobody_s(phone_files: Path, tmp_path: Path) -> None:
    with Sandbox(phone_files, tmp_path / "own") as own:

        def session() -> AndroidRunner:
            link = connect(own.serial, tell=lambda _: None)
            return AndroidRunner(link, StaticRoute(), QUICK, Ears(tell=lambda _: None))

        with contextlib.closing(session()) as first, contextlib.closing(session()) as second:
            first.run(phones.request(tmp_path), folder=tmp_path, bounds=phones.BOUNDS)
            own.reboot()
            second.run(phones.request(tmp_path), folder=tmp_path, bounds=phones.BOUNDS)


HUNGRY = "BEGIN { s = 1234567890; while (length(s) < 40000000) s = s s; print length(s); if (stay) while (1) continue }"


def test_a_program_above_its_limit_of_memory_is_ended_on_the_phone(
    sandbox: Sandbox, link: Link, tmp_path: Path
) -> None:
    handset = PhoneHandset(link, store_mb=64, tell=lambda _: None)

    def errand(run_id: str, most_mb: int) -> Errand:
        bounds = Bounds(timeout_secs=30, memory_limit_mb=most_mb)
        request = phones.request(tmp_path, run_id=run_id)
        return Errand(request=request, place="/data/local/tmp", folder=tmp_path, bounds=bounds)

    began = time.monotonic()
    with pytest.raises(RunnerError, match=r"used \d\d+ MB, above its limit of 20 MB") as raised:
        handset.execute(["awk", "-v", "stay=1", HUNGRY], errand("above", 20), watch_memory=True)
    assert time.monotonic() - began < 15 and "memory_limit_mb" in raised.value.remedy
    assert soon(lambda: sandbox.processes() == [])
    for run_id, most_mb in (("below", 4000), ("any", 0)):
        done = handset.execute(["awk", HUNGRY], errand(run_id, most_mb), watch_memory=True)
        assert done.code == 0 and done.output.strip().isdigit()


def test_a_gauge_on_the_device_is_sampled_while_it_idles_and_works(
    sandbox: Sandbox, link: Link, tmp_path: Path
) -> None:
    battery = sandbox.folder / "etc" / "battery"
    battery.mkdir(exist_ok=True)
    for name, value in {"charge_counter": "2750000", "voltage_now": "4000000", "status": "Discharging"}.items():
        (battery / name).write_text(value + "\n")
    handset = PhoneHandset(link, store_mb=64, tell=lambda _: None)

    def load() -> Response:
        """Says that it called its build for the last 2.6 s."""
        time.sleep(0.3)
        up = link.shell(["cat", "/proc/uptime"], timeout_secs=5).text.split()[0]
        block = Block(wall_ns=(2_600_000_000,), calls_per_sample=100)
        result = BuildResult(build="tflite/fp32", blocks=(block,))
        return Response(run_id="r", started="", results=(result,), facts={"ended_uptime_s": up})

    drain = Drain(handset, sleep=lambda secs: time.sleep(min(secs, 0.5)), folder="/phone/etc/battery")
    trace = drain.group(load, idle_secs=0.5, folder=tmp_path, bounds=phones.BOUNDS)
    assert [block.kind for block in trace.blocks] == ["idle", "load", "load", "idle"]
    assert all(block.counter and set(block.counter) == {2750000.0} for block in (trace.blocks[0], trace.blocks[-1]))
    assert not trace.charging and trace.source == "charge counter"
    assert soon(lambda: sandbox.processes() == [])
    sandbox.say("battery", sandbox.told("battery").replace("USB powered: false", "USB powered: true"))
    with pytest.raises(RunnerError, match="while the phone is charging"):
        drain.group(load, idle_secs=0.5, folder=tmp_path, bounds=phones.BOUNDS)


PERFETTO = """#!/system/bin/sh
# As Android's: -c - --txt -o FILE, a configuration on standard input; it writes when it is told to end.
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
grep -q collect_power_rails || exit 1
trap 'base64 -d </phone/etc/rails.b64 >"$out"; exit 0' TERM
while :; do sleep 0.1; done
"""


def test_power_rails_are_read_even_while_the_phone_charges(
    sandbox: Sandbox, link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rails use a watt all the time, so a load that uses nothing more is not told from idle."""
    up = float(link.shell(["cat", "/proc/uptime"], timeout_secs=5).text.split()[0])
    steps = [packet(reading(0, round((up + 0.1 * n) * 1000), 100_000 * n)) for n in range(200)]
    trace = packet(descriptor(0, "VDD_CPU")) + b"".join(steps)
    (sandbox.folder / "etc" / "rails.b64").write_text(base64.encodebytes(trace).decode())
    sandbox.program("perfetto", PERFETTO)
    sandbox.say("battery", sandbox.told("battery").replace("USB powered: false", "USB powered: true"))
    monkeypatch.setattr(rails, "TRACES", "/data/local/tmp")

    def load() -> Response:
        now = link.shell(["cat", "/proc/uptime"], timeout_secs=5).text.split()[0]
        block = Block(wall_ns=(2_600_000_000,), calls_per_sample=100)
        result = BuildResult(build="tflite/fp32", blocks=(block,))
        return Response(run_id="r", started="", results=(result,), facts={"ended_uptime_s": now})

    handset = PhoneHandset(link, store_mb=64, tell=lambda _: None)
    drain = Drain(handset, sleep=lambda secs: time.sleep(min(secs, 0.5)))
    found = drain.group(load, idle_secs=0.5, folder=tmp_path, bounds=phones.BOUNDS)
    assert found.source == "1 power rails, added up" and not found.charging
    assert len(found.blocks) == 4 and len(found.blocks[0].counter) >= 3
    assert energy.used_per_sec(found, found.blocks[0]) == pytest.approx(1e6, rel=0.05)
    assert soon(lambda: sandbox.processes() == [])


def test_a_state_is_read_in_one_round_trip_from_a_real_shell(link: Link) -> None:
    found = state.read(link)
    assert found.battery is not None and found.battery.level == 0.68 and found.status == 0
    assert found.busy_share is not None and found.load_average and len(found.boot_id) == 36
    assert found.clocks
