#!/bin/bash
# start.sh ROOT STATE PORT SIZE: runs the userland that make.sh made, on 127.0.0.1:PORT, until this process is killed.
# Prints "device ready" when adbd listens. Needs root, for a mount and a process namespace of its own.
#
#   STATE  folder with `etc` (what getprop and dumpsys tell) and `bin` (programs that come first); the test may change
#          both while the device runs
#   SIZE   of /data/local/tmp, such as 64m; `keep`: it is STATE/tmp, which outlives the device as a phone's does
#   DEVICE_BINDS="SOURCE:TARGET ..."  folders of this machine to be seen, read only, on the device
#
# Pull the cable: kill -9 this process. Everything on the device dies with it, and its mounts are gone.
set -euo pipefail

die() { echo "start.sh: $*" >&2; exit 1; }

as_shell() {  # adb's user, with a shell's groups, in the phone's tree, never without the guard
  chroot --userspec=2000:2000 --groups=1004,1007,1011,1015,3003,3009 "$ROOT" /usr/bin/toybox env -i \
    PATH=/phone/bin:/system/bin:/usr/sbin LD_PRELOAD=/usr/lib/loopback_only.so "$@"
}

mount_all() {
  local pair node
  mount --make-rprivate /
  for pair in ${DEVICE_BINDS:-}; do mkdir -p "$ROOT${pair#*:}"; done
  mount --bind "$ROOT" "$ROOT"
  mount -o remount,bind,ro "$ROOT"
  mount -t proc proc "$ROOT/proc"
  cat /proc/sys/kernel/random/uuid > "$STATE/boot_id"  # another one after each start, as after a phone's
  mount --bind "$STATE/boot_id" "$ROOT/proc/sys/kernel/random/boot_id"
  mount -t sysfs -o ro sysfs "$ROOT/sys"
  mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
  mkdir "$ROOT/dev/pts"
  for node in null zero random urandom tty; do
    touch "$ROOT/dev/$node"
    mount --bind "/dev/$node" "$ROOT/dev/$node"
  done
  mount -t devpts -o newinstance,ptmxmode=666 devpts "$ROOT/dev/pts"
  ln -s pts/ptmx "$ROOT/dev/ptmx"
  mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
  mount -t tmpfs -o mode=770,uid=2000,gid=1015 tmpfs "$ROOT/storage/emulated/0"
  mount --bind "$STATE/etc" "$ROOT/phone/etc"
  mount --bind "$STATE/bin" "$ROOT/phone/bin"
  if [ "$SIZE" = keep ]; then
    mkdir -p "$STATE/tmp"
    chown 2000:2000 "$STATE/tmp"
    chmod 771 "$STATE/tmp"
    mount --bind "$STATE/tmp" "$ROOT/data/local/tmp"
  else
    mount -t tmpfs -o "size=$SIZE,mode=771,uid=2000,gid=2000" tmpfs "$ROOT/data/local/tmp"
  fi
  for pair in ${DEVICE_BINDS:-}; do
    mkdir -p "$ROOT${pair#*:}"  # once more, for what lies below a mount of ours
    mount --bind "${pair%%:*}" "$ROOT${pair#*:}"
    mount -o remount,bind,ro "$ROOT${pair#*:}"
  done
}

# What listens on the port: an address a line, as the kernel writes them.
listeners() {
  sed -n "s/^ *[0-9]*: \([0-9A-F]*\):$(printf %04X "$PORT") [0-9A-F]*:[0-9A-F]* 0A .*/\1/p" \
    "$ROOT/proc/net/tcp" "$ROOT/proc/net/tcp6" 2>/dev/null || true
}

inside() {  # process 1 of the namespaces; it stays, so that its end is everybody's
  local daemon address
  mount_all
  # To the loader a guard that it cannot load is a warning only, and adbd would serve the whole network.
  as_shell cat /proc/self/maps 2>/dev/null | grep -q loopback_only || die "the guard does not load"
  as_shell ADBD_PORT="$PORT" /usr/sbin/adbd &
  daemon=$!
  for _ in $(seq 200); do
    [ -n "$(listeners)" ] && break
    kill -0 "$daemon" 2>/dev/null || die "adbd ended at once"
    sleep 0.02
  done
  [ -n "$(listeners)" ] || die "adbd does not listen on port $PORT"
  for address in $(listeners); do
    case $address in
      0100007F | 00000000000000000000000001000000 | 0000000000000000FFFF00000100007F) ;;
      *) kill -9 "$daemon"; die "adbd listens on $address, which is no loopback address" ;;
    esac
  done
  echo "device ready"
  wait "$daemon" || true
}

[ $# = 4 ] || [ "${1:-}" = inside ] || die "usage: start.sh ROOT STATE PORT SIZE"
if [ "$1" = inside ]; then
  shift
  ROOT=$1 STATE=$2 PORT=$3 SIZE=$4
  inside
  exit
fi
[[ $3 =~ ^[0-9]+$ ]] || die "no port: $3"
[ "$(id -u)" = 0 ] || die "needs root"
[ -r "$1/usr/lib/loopback_only.so" ] || die "$1 was not made by make.sh"
if (exec 3<>"/dev/tcp/127.0.0.1/$3") 2>/dev/null; then die "port $3 is taken"; fi
exec unshare --mount --pid --fork --kill-child bash "$(realpath "$0")" inside "$(realpath "$1")" "$(realpath "$2")" "$3" "$4"
