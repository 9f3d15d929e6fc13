"""A phone-like device on this machine: Android's own adbd in a tree of its own, on the loopback address only."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from harness.process import Bounds, Child, execute

HERE = Path(__file__).resolve().parent
PHONE = HERE / "phone"
IDLE_SHELL = "sh -s pocketbench"  # see device_runners/adb/standing.py
_MAKE_SECS, _START_SECS = 180.0, 20.0


def made(folder: Path) -> Path:
    """The userland in `folder`, put together when it is not there yet (12 MB from Debian, some ten seconds)."""
    if not (folder / "root" / "usr" / "sbin" / "adbd").exists():
        shutil.rmtree(folder, ignore_errors=True)
        log = folder.with_name(folder.name + ".log")
        execute([str(HERE / "make.sh"), str(folder)], bounds=Bounds(timeout_secs=_MAKE_SECS), log=log)
    return folder


class Sandbox:
    """One running device; close it. folder: of its state, `etc` and `bin` are read by the device while it runs.

    size: of /data/local/tmp; `keep`: what is there outlives a restart. binds: folders of this machine that the device
    may read, and where. Needs root.
    """

    def __init__(
        self, made: Path, folder: Path, *, size: str = "keep", port: int = 0, binds: Mapping[str, str] | None = None
    ) -> None:
        self.made, self.folder, self.size = made, folder, size
        self.port = port or free_port()
        self._binds = " ".join(f"{source}:{target}" for source, target in (binds or {}).items())
        self._child: Child | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.reset()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def tmp(self) -> Path:
        """/data/local/tmp as this machine sees it, when the device keeps it."""
        return self.folder / "tmp"

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> Sandbox:
        script = [str(HERE / "start.sh"), str(self.made / "root"), str(self.folder), str(self.port), self.size]
        # Whatever ends us takes the device along.
        self._child = Child(
            ["setpriv", "--pdeathsig", "KILL", *script], log=self.folder / "log", env={"DEVICE_BINDS": self._binds}
        )
        while self._child.receive(timeout_secs=_START_SECS) != "device ready":
            continue
        return self

    def listening(self) -> bool:
        """Whether its daemon can be reached."""
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """Pull the cable and the battery: everything on it dies at once."""
        if self._child:
            self._child.close()
            self._child = None

    def reboot(self) -> None:
        """Off and on again: processes are gone, files are kept when the device keeps them."""
        self.kill()
        self.start()

    def reset(self) -> None:
        """Back to what a healthy phone tells; only in place, for the device holds the folders."""
        for part in ("etc", "bin"):
            (self.folder / part).mkdir(exist_ok=True)
            shutil.copytree(PHONE / part, self.folder / part, dirs_exist_ok=True)

    def say(self, service: str, text: str) -> None:
        """What `dumpsys SERVICE` prints from now on."""
        _write(self.folder / "etc" / "dumpsys" / f"{service}.txt", text)

    def told(self, service: str) -> str:
        return (self.folder / "etc" / "dumpsys" / f"{service}.txt").read_text()

    def prop(self, name: str, value: str) -> None:
        """Set what `getprop NAME` prints."""
        props = self.folder / "etc" / "props.txt"
        kept = [line for line in props.read_text().splitlines() if not line.startswith(f"[{name}]: [")]
        _write(props, "\n".join([*kept, f"[{name}]: [{value}]"]) + "\n")

    def program(self, name: str, text: str) -> None:
        """Put a program on the device; it comes before the device's own of that name."""
        path = self.folder / "bin" / name
        _write(path, text)
        path.chmod(0o755)

    def processes(self) -> list[str]:
        """The command lines of what runs on the device beside its daemon and an open link's idle shells."""
        ours = (" inside ", "adbd")  # start.sh in the device, and the daemon
        found = [line for _, line in _processes_below(self._pid) if line != IDLE_SHELL]
        return [line for line in found if not any(word in line for word in ours)]

    def pids(self, word: str) -> list[int]:
        """Processes on the device, as this machine numbers them, whose command line has the word."""
        return [pid for pid, line in _processes_below(self._pid) if word in line]

    @property
    def _pid(self) -> int:
        assert self._child is not None, "the device is not running"
        return self._child.pid


def this_python(project: Path) -> tuple[dict[str, str], str]:
    """What a device must be able to read, and a program for it, so that this very Python with all that is installed
    runs there: `binds` and the text of a `program`. What it measures is this machine's processor."""
    libraries = Path(sysconfig.get_config_var("MULTIARCH"))
    folders = [str(project), sys.base_prefix, sys.prefix]  # the environment may lie in the project: after it
    binds = {folder: folder for folder in folders} | {str("/usr/lib" / libraries): "/host"}
    loader = next(Path("/usr/lib", libraries).glob("ld-linux-*.so.*")).name
    executable = Path(sys.executable).resolve()
    program = f"""#!/system/bin/sh
export HOME=/data/local/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='{project}'
exec /host/{loader} --argv0 '{sys.executable}' --library-path '{sys.base_prefix}/lib:/host' '{executable}' "$@"
"""
    return binds, program


def free_port() -> int:
    """A port that nobody listens on, and that the system gives nobody else before it is used."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest // 2, lowest)
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _write(path: Path, text: str) -> None:
    """In one step, so that the device never reads half of it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _processes_below(pid: int) -> list[tuple[int, str]]:
    """Everything in the process namespace that `unshare` (pid) made, without zombies and without its first process."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            if entry.name.isdigit() and _namespace(entry) == _namespace_for_children(pid):
                words = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                inner = (entry / "status").read_text().partition("NSpid:")[2].splitlines()[0].split()
                if words != [b""] and inner[-1] != "1":
                    found.append((int(entry.name), " ".join(word.decode(errors="replace") for word in words)))
    return found


def _namespace(entry: Path) -> str:
    return str((entry / "ns" / "pid").readlink())


def _namespace_for_children(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/pid_for_children").readlink())
