"""A phone kept awake and at a fixed performance while it is measured, and given back as it was in every ending.

The one who restores is on the phone: a loop that does it when told to, and by itself when this computer has given no
sign of life for too long (killed, unplugged, out of reach). What has to be restored is in a file on the phone, so that
even after the phone itself started anew the next session finds and restores it.
"""

from __future__ import annotations

from device_runners import dumps
from device_runners.adb.link import Link
from harness.errors import RunnerError

FOLDER = "/data/local/tmp/pocketbench/hold"
FIXED, LEFT_ALONE, NOT_OFFERED = "on", "left alone", "not offered"
_TIMEOUT_SECS = 30.0

# "$1" is our folder. stay_on holds what `settings` said before: digits and nothing else, or the file is not there.
_RESTORE = """
restore() {
  if [ -e "$1/fixed" ]; then cmd power set-fixed-performance-mode-enabled false >/dev/null 2>&1; fi
  if read -r before <"$1/stay_on"; then settings put global stay_on_while_plugged_in "$before" >/dev/null 2>&1; fi
  rm -rf "$1"
} 2>/dev/null
"""
_BEGIN = (
    _RESTORE
    + """
if [ -d "$1" ]; then restore "$1"; fi
umask 022; mkdir -p "$1" || exit 1
echo "$2" >"$1/beat"
before=$(settings get global stay_on_while_plugged_in 2>/dev/null)
case "$before" in ''|*[!0-9]*) ;; *) echo "$before" >"$1/stay_on"; svc power stayon true >/dev/null 2>&1;; esac
input keyevent KEYCODE_WAKEUP >/dev/null 2>&1
wm dismiss-keyguard >/dev/null 2>&1
if [ "$3" = yes ]; then
  : >"$1/fixed"
  if cmd power set-fixed-performance-mode-enabled true >"$1/said" 2>&1; then echo on; else
    rm -f "$1/fixed"; echo "not offered"; head -c 300 "$1/said"
  fi
fi
(setsid sh -c "$4" watch "$1" </dev/null >/dev/null 2>&1 &)
tries=0
until [ -s "$1/watch" ] || [ "$tries" -ge 100 ]; do tries=$((tries + 1)); sleep 0.1; done
"""
)
# When a process began, in ticks since the start of the phone: with its number it is that process and no later one.
_BEGUN = """
begun() { read -r stat <"/proc/$1/stat" && set -- ${stat##*) } && echo "${20}"; } 2>/dev/null
"""
# Looks every five seconds; a beat holds how many seconds may pass to the next one. An empty folder name ends it.
_WATCH = (
    _RESTORE
    + _BEGUN
    + """
echo "$$ $(begun $$)" >"$1/watch"
left=60
while [ -d "$1" ]; do
  if [ -e "$1/beat" ]; then read -r left <"$1/beat"; rm -f "$1/beat"; fi
  case "$left" in ''|*[!0-9]*) left=60;; esac
  if [ "$left" -le 0 ]; then restore "$1"; exit 0; fi
  sleep 5
  left=$((left - 5))
done
"""
)
_BEAT = 'if [ -d "$1" ]; then echo "$2" >"$1/beat.new" && mv "$1/beat.new" "$1/beat"; else exit 9; fi'
# The loop is ended with the sleep that it waits for.
_END = (
    _RESTORE
    + _BEGUN
    + """
if read -r pid since 2>/dev/null <"$1/watch" && [ -n "$since" ] && [ "$(begun "$pid")" = "$since" ]; then
  kill -9 "-$pid"
fi
if [ -d "$1" ]; then restore "$1"; fi
"""
)


class Hold:
    """What is done to the phone for the time of a run: `begin`, `beat` before whatever takes long, `end`."""

    def __init__(self, link: Link, *, fixed_performance: bool, folder: str = FOLDER) -> None:
        self._link = link
        self._wanted = fixed_performance
        self._folder = folder
        self._held = False
        self.mode = LEFT_ALONE  # what became of the fixed-performance mode, as a fact of the device

    def begin(self, secs: float) -> None:
        """Wake it, keep it awake, ask for fixed performance; what an earlier session left is restored first."""
        arguments = [self._folder, _whole(secs), "yes" if self._wanted else "no", _WATCH]
        output = self._link.script(_BEGIN, arguments, timeout_secs=_TIMEOUT_SECS)
        if output.code:
            raise RunnerError(
                f"{self._folder} cannot be made on the device", remedy="see `pocketbench doctor`: is its storage full?"
            )
        self._held = True
        said = dumps.text_of(output.stdout).split("\n", 1)
        if self._wanted:
            why = " ".join(said[1].split()) if len(said) > 1 else ""
            self.mode = FIXED if said[0].strip() == FIXED else f"{NOT_OFFERED}: {why}".rstrip(": ")

    def beat(self, secs: float) -> None:
        """Nothing will be heard from us for so long; where the phone has let go meanwhile, hold it again."""
        if self._link.script(_BEAT, [self._folder, _whole(secs)], timeout_secs=_TIMEOUT_SECS).code == 9:
            self.begin(secs)

    def give_back(self) -> None:
        """Restore what a session that was killed has left, if any."""
        self._link.script(_END, [self._folder], timeout_secs=_TIMEOUT_SECS)

    def end(self, link: Link | None = None) -> None:
        """Restore now, over this link; may be called more than once."""
        if self._held:
            (link or self._link).script(_END, [self._folder], timeout_secs=_TIMEOUT_SECS)
            self._held = False


def _whole(secs: float) -> str:
    return str(max(1, int(secs)))
