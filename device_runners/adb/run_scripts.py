"""The shell scripts that run on a device beside a detached run; fixed texts, everything else is an argument.

They keep to what Android's own shell (mksh) and toybox have since version 7. A run's folder holds:

    started, stopped   folders: whoever makes one has started, or stopped, the run
    token              of whoever started it
    pid                process, its start time and the boot it belongs to, so that no later process is taken for it
    status             `running`, `ended CODE` or `killed REASON`, overwritten in place: that works on a full disk too
    deadline           when the lease ends, in seconds since the boot; overwritten at each look
    out, err           what the command says
"""

# "$1" folder, "$2" limit, "$3" lease, "$4" watchdog's pause, "$5" MARK=RUN, "$6" SUPERVISE, "$7" token,
# then NAME=VALUE ... and the command's words. Asked for twice with one token, it starts once.
START = """umask 022
mkdir -p "$1" && cd "$1" || exit 1
limit=$2 lease=$3 look=$4 mark=$5 supervise=$6 token=$7
shift 7
if mkdir started 2>/dev/null; then
  echo "$token" > token
  setsid sh -c "$supervise" pocketbench "$limit" "$lease" "$look" "$mark" "$@" </dev/null >/dev/null 2>&1 &
fi
read there < token
[ "$there" = "$token" ] || { echo "a run of that name is there already" >&2; exit 1; }
tries=0
until [ -s pid ]; do
  tries=$((tries + 1))
  [ "$tries" -gt 100 ] && { echo "the run did not begin" >&2; exit 1; }
  sleep 0.1
done
"""

# "$1" limit, "$2" lease, "$3" watchdog's pause, "$4" MARK=RUN, then NAME=VALUE ... and the command's words.
# It leads a session of its own; its last deed is to kill all of it, the watchdog and itself included.
SUPERVISE = """now() { read up rest < /proc/uptime; echo "${up%.*}"; }
belonging() { grep -Fls "$1" /proc/[0-9]*/environ; }
end_all() {
  for one in $(belonging "$1"); do one=${one#/proc/}; kill -9 "${one%/environ}"; done 2>/dev/null
  kill -9 -$$
}
end=$(($(now) + $1 + 1)) lease=$2 look=$3 mark=$4
shift 3
printf '%-7s %-7s\\n' running - > status && printf '%012d\\n' $(($(now) + lease + 1)) > deadline || exit 1
read stat < /proc/$$/stat
set -- "${stat##*) }" "$@"
begun=$(set -- $1; echo "${20}")
shift
read boot < /proc/sys/kernel/random/boot_id
# Before the command can fill the device, and before the look at `stopped`: whoever stops makes that, then reads this.
echo "$$ $begun $boot" > pid.new && [ -s pid.new ] && mv pid.new pid || exit 1
[ -d stopped ] && exit 1
env "$@" > out 2> err < /dev/null &
child=$!
(
  why=
  while [ -z "$why" ]; do
    sleep "$look"
    time=$(now)
    read until < deadline
    while [ "${until#0}" != "$until" ]; do until=${until#0}; done
    [ "$time" -ge "${until:-0}" ] && why=lease
    [ "$time" -ge "$end" ] && why=limit
  done
  printf '%-7s %-7s\\n' killed "$why" 1<>status
  end_all "$mark"
) &
wait $child
code=$?
read state rest < status
[ "$state" = running ] && printf '%-7s %-7s\\n' ended "$code" 1<>status
end_all "$mark"
"""

# Whether the process in the file pid is still that process: sets $pid, $alive and $booted (yes or no).
_ALIVE = """alive=no booted=no pid=
read pid begun boot 2>/dev/null < pid
read here < /proc/sys/kernel/random/boot_id
[ -n "$pid" ] && [ "$boot" != "$here" ] && booted=yes
if [ -n "$pid" ] && [ $booted = no ] && read stat 2>/dev/null < "/proc/$pid/stat"; then
  stat=${stat##*) }
  [ "${stat%% *}" != Z ] && [ "$(set -- $stat; echo "${20}")" = "$begun" ] && alive=yes
fi
"""

# "$1" folder, "$2" lease, "$3" bytes seen of its output, "$4" most bytes to print of it
LOOK = (
    """cd "$1" 2>/dev/null || { echo folder gone; exit 0; }
"""
    + _ALIVE
    + """read up rest < /proc/uptime
[ $alive = yes ] && printf '%012d\\n' $((${up%.*} + $2 + 1)) 1<>deadline
read status < status
echo "alive $alive"
echo "booted $booted"
echo "status $status"
echo "pid $pid"
echo
tail -c +$(($3 + 1)) out | head -c "$4"
"""
)

# "$1" folder, "$2" MARK=RUN: kills all that belongs to the run; prints how many are left.
STOP = (
    """belonging() { grep -Fls "$1" /proc/[0-9]*/environ; }
cd "$1" 2>/dev/null || { echo 0; exit 0; }
mkdir stopped 2>/dev/null
"""
    + _ALIVE
    + """read status < status
case $status in running*) printf '%-7s %-7s\\n' killed stop 1<>status ;; esac
[ $alive = yes ] && kill -9 "-$pid"
tries=0 left=1
while [ "$left" != 0 ] && [ $tries -lt 20 ]; do
  left=0
  for one in $(belonging "$2"); do
    one=${one#/proc/} one=${one%/environ}
    kill -9 "$one" 2>/dev/null && left=$((left + 1))
  done
  tries=$((tries + 1))
  [ "$left" != 0 ] && sleep 0.1
done
echo "$left"
"""
)

# "$1" the folder of all runs: their names
LIST = """cd "$1" 2>/dev/null || exit 0
for one in *; do [ -d "$one/started" ] && echo "$one"; done; true"""

# "$1" a run's folder
REMOVE = """rm -rf "$1" """
