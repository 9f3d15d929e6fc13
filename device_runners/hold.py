"""A phone kept awake and at a fixed performance while it is measured, and given back as it was in every ending.

The one who restores is on the phone: a loop that does it when told to, and by itself when this computer has given no
sign of life for too long (killed, unplugged, out of reach). What has to be restored is in a file on the phone, so that
even after the phone itself started anew the next session finds and restores it.

One session holds a phone at a time. Whoever makes the folder has it; it is left behind, and another session's, when
that loop is gone, or when it was made by a process of this very machine that is gone.
"""

from __future__ import annotations

from device_runners import dumps, holder
from device_runners.adb.link import Link, Output
from device_runners.holder import Holder
from harness.errors import RunnerError

FOLDER = "/data/local/tmp/pocketbench/hold"
FIXED, LEFT_ALONE, NOT_OFFERED = "on", "left alone", "not offered"
FREE = "wait until that is done, or take the phone away from it: pocketbench clean --device"
_TIMEOUT_SECS = 30.0
_HELD, _LOST = 8, 9  # exit codes: another session's; not ours any more

# "$1" is our folder. stay_on holds what `settings` said before: digits and nothing else, or the file is not there.
_RESTORE = """
restore() {
  if [ -e "$1/fixed" ]; then cmd power set-fixed-performance-mode-enabled false >/dev/null 2>&1; fi
  if read -r before <"$1/stay_on"; then settings put global stay_on_while_plugged_in "$before" >/dev/null 2>&1; fi
  rm -rf "$1"
} 2>/dev/null
"""
# When a process began, in ticks since the start of the phone: with its number it is that process and no later one.
# watched: whether the loop of a folder lives; it is $pid then, and leads a group of its own.
_WATCHED = """
begun() { read -r stat <"/proc/$1/stat" && set -- ${stat##*) } && [ "$1" != Z ] && echo "${20}"; } 2>/dev/null
watched() { read -r pid since <"$1/watch" && [ -n "$since" ] && [ "$(begun "$pid")" = "$since" ]; } 2>/dev/null
held_by() { token=; read -r token <"$1/holder"; [ "$token" = "$2" ]; } 2>/dev/null
"""
# "$1" our folder, "$2" seconds to the next beat, "$3" yes: at fixed performance, "$4" the loop, "$5" who we are, "$6"
# our token, "$7" that of a session that is gone. Asked for twice it begins twice. A folder with a loop or a holder, and
# not both, is being begun or given back: wait. One that is taken over is moved away first: of two who try that one
# alone succeeds.
_BEGIN = (
    _RESTORE
    + _WATCHED
    + """
umask 022; mkdir -p "${1%/*}" || exit 1
tries=0
until mkdir "$1" 2>/dev/null; do
  [ -d "$1" ] || [ "$tries" -lt 3 ] || exit 1
  tries=$((tries + 1))
  seen=; read -r seen 2>/dev/null <"$1/holder"
  ready=yes
  if watched "$1"; then [ -n "$seen" ] || ready=no
  elif [ ! -e "$1/watch" ] && [ "$seen" != "$6" ]; then ready=no; fi
  if [ "$ready" = no ] && [ "$tries" -lt 100 ]; then sleep 0.1; continue; fi
  if watched "$1"; then
    case "$seen" in "$6"|"$7") kill -9 "-$pid";; *) cat "$1/holder" 2>/dev/null; exit 8;; esac
  fi
  if mv "$1" "$1.$6" 2>/dev/null; then
    if held_by "$1.$6" "$seen"; then restore "$1.$6"; else mv "$1.$6" "$1"; fi
  fi
done
printf '%s\n' "$5" >"$1/holder"
echo "$2" >"$1/beat"
(setsid sh -c "$4" watch "$1" </dev/null >/dev/null 2>&1 &)
tries=0
until [ -s "$1/watch" ] || [ "$tries" -ge 100 ]; do tries=$((tries + 1)); sleep 0.1; done
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
"""
)
# Looks every five seconds; a beat holds how many seconds may pass to the next one. An empty folder name ends it.
_WATCH = (
    _RESTORE
    + _WATCHED
    + """
echo "$$ $(begun $$)" >"$1/watch.new" && mv "$1/watch.new" "$1/watch"
left=60
while [ -d "$1" ]; do
  if [ -e "$1/beat" ]; then read -r left <"$1/beat"; rm -f "$1/beat"; fi
  case "$left" in ''|*[!0-9]*) left=60;; esac
  if [ "$left" -le 0 ]; then rm -f "$1/holder"; restore "$1"; exit 0; fi
  sleep 5
  left=$((left - 5))
done
"""
)
# "$1" our folder, "$2" seconds, "$3" our token
_BEAT = (
    _WATCHED
    + """
if held_by "$1" "$3" && watched "$1"; then echo "$2" >"$1/beat.new" && mv "$1/beat.new" "$1/beat"; else exit 9; fi
"""
)
# "$1" our folder: who holds it, if anybody does
_HOLDER = (
    _WATCHED
    + """
if watched "$1"; then cat "$1/holder" 2>/dev/null; else exit 9; fi
"""
)
# "$1" our folder, "$2" our token, or nothing to end whosever it is. The loop is ended with the sleep that it waits for.
_END = (
    _RESTORE
    + _WATCHED
    + """
if [ -n "$2" ] && ! held_by "$1" "$2"; then exit 0; fi
rm -f "$1/holder"
if watched "$1"; then kill -9 "-$pid"; fi
rm -f "$1/watch"
if [ -d "$1" ]; then restore "$1"; fi
"""
)


_ours: set[str] = set()  # tokens of what this process holds now


class Hold:
    """What is done to the phone for the time of a run: `begin`, `beat` before whatever takes long, `end`."""

    def __init__(self, link: Link, *, fixed_performance: bool, folder: str = FOLDER) -> None:
        self._link = link
        self._wanted = fixed_performance
        self._folder = folder
        self._me = holder.here()
        self.mode = LEFT_ALONE  # what became of the fixed-performance mode, as a fact of the device

    def begin(self, secs: float) -> None:
        """Wake it, keep it awake, ask for fixed performance; what an earlier session left is restored first.

        Raises RunnerError, with its name, while another session holds it."""
        _ours.add(self._me.token)
        output = self._ask(secs)
        if output.code == _HELD and _left(there := holder.read(output.text)):
            output = self._ask(secs, instead_of=there.token)
        if output.code:
            _ours.discard(self._me.token)
        if output.code == _HELD:
            raise self._taken(holder.read(output.text))
        if output.code:
            raise RunnerError(
                f"{self._folder} cannot be made on the device", remedy="see `pocketbench doctor`: is its storage full?"
            )
        said = dumps.text_of(output.stdout).split("\n", 1)
        if self._wanted:
            why = " ".join(said[1].split()) if len(said) > 1 else ""
            self.mode = FIXED if said[0].strip() == FIXED else f"{NOT_OFFERED}: {why}".rstrip(": ")

    def beat(self, secs: float) -> None:
        """Nothing will be heard from us for so long; where the phone has let go meanwhile, hold it again."""
        words = [self._folder, _whole(secs), self._me.token]
        if self._link.script(_BEAT, words, timeout_secs=_TIMEOUT_SECS).code == _LOST:
            self.begin(secs)

    def check(self) -> None:
        """Raises RunnerError, with its name, while another session holds the phone."""
        there = other(self._link, self._folder)
        if there is not None and there.token != self._me.token:
            raise self._taken(there)

    def give_back(self) -> None:
        """Restore what any session has left or still holds."""
        self._link.script(_END, [self._folder, ""], timeout_secs=_TIMEOUT_SECS)

    def end(self, link: Link | None = None) -> None:
        """Restore now, over this link; may be called more than once."""
        if self._me.token in _ours:
            _ours.discard(self._me.token)
            (link or self._link).script(_END, [self._folder, self._me.token], timeout_secs=_TIMEOUT_SECS)

    def _ask(self, secs: float, *, instead_of: str = "") -> Output:
        wanted = "yes" if self._wanted else "no"
        words = [self._folder, _whole(secs), wanted, _WATCH, self._me.lines(), self._me.token, instead_of or "-"]
        return self._link.script(_BEGIN, words, timeout_secs=_TIMEOUT_SECS)

    def _taken(self, there: Holder) -> RunnerError:
        return RunnerError(
            f"{self._link.serial} is in use by {there.who}",
            remedy=FREE,
        )


def other(link: Link, folder: str = FOLDER) -> Holder | None:
    """The session that holds a phone now, if any; one of this machine that is gone is none."""
    output = link.script(_HOLDER, [folder], timeout_secs=_TIMEOUT_SECS)
    there = holder.read(output.text)
    return there if output.code == 0 and not _left(there) else None


def _left(there: Holder) -> bool:
    """Whether nobody is behind it any more: its process is gone, or is this one, which has let go of it."""
    return there.gone() or (there.process == holder.here().process and there.token not in _ours)


def _whole(secs: float) -> str:
    return str(max(1, int(secs)))
