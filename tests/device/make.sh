#!/bin/bash
# make.sh FOLDER: unpacks a phone-like userland with Android 14's own adbd into FOLDER/root (12 MB from Debian trixie,
# some 10 s). Nothing is installed, and only FOLDER is written to. Start it with start.sh.
#
#   DEVICE_MIRROR=ADDRESS  take Debian from there, else from where this machine's own apt takes it
#   DEVICE_SUITE=NAME      another suite than trixie
set -euo pipefail

FOLDER=$(realpath -m "${1:?usage: make.sh FOLDER}")
HERE=$(dirname "$(realpath "$0")")
ROOT=$FOLDER/root
SUITE=${DEVICE_SUITE:-trixie}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
PACKAGES=(adbd adb toybox mksh busybox-static)

die() { echo "make.sh: $*" >&2; exit 1; }

[[ $FOLDER != *[[:space:]]* ]] || die "a folder without blanks, please: $FOLDER"
for program in apt-get dpkg-deb cc; do
  command -v "$program" >/dev/null || die "$program is missing"
done
[ -r "$KEYRING" ] || die "$KEYRING is missing (package debian-archive-keyring)"
[ ! -e "$FOLDER" ] || die "$FOLDER is there already"

# Everything is made beside, and moved when it is whole: an interrupted run leaves nothing that looks ready.
WORK=$FOLDER.making
rm -rf "$WORK"
mkdir -p "$WORK"/apt/{parts,lists/partial,archives/partial} "$WORK"/root/usr/{bin,lib,lib64,sbin}
: > "$WORK/apt/status"

private_apt() {
  local apt=$WORK/apt
  apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/parts" \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o Dir::State::Lists="$apt/lists" -o Dir::State::Status="$apt/status" \
    -o Dir::Cache::Archives="$apt/archives" -o Dir::Cache::PkgCache= -o Dir::Cache::SrcPkgCache= \
    -o APT::Architectures="$(dpkg --print-architecture)" -o APT::Install-Recommends=false -o APT::Sandbox::User= \
    -o APT::Update::Error-Mode=any -o Acquire::Languages=none "$@" >>"$apt/log" 2>&1
}

mirrors() {
  if [ -n "${DEVICE_MIRROR:-}" ]; then
    echo "$DEVICE_MIRROR"
    return
  fi
  {
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 2>/dev/null | awk '$1 == "Debian" { print $2 }'
    grep -hsE '^URIs:' /etc/apt/sources.list.d/*.sources | cut -d: -f2- | tr -s ' ' '\n'
    grep -hsE '^deb ' /etc/apt/sources.list /etc/apt/sources.list.d/*.list | grep -oE '[a-z]+://[^ ]+'
  } | sed 's#/*$#/#' | awk 'length > 1 && !/security|ubuntu/ && !seen[$0]++'
}

fetch() {
  local mirror
  for mirror in $(mirrors); do
    printf '%s\n' "Types: deb" "URIs: $mirror" "Suites: $SUITE" "Components: main" "Signed-By: $KEYRING" \
      > "$WORK/apt/parts/device.sources"
    if private_apt update; then
      private_apt --yes --download-only install "${PACKAGES[@]}" && return
    fi
  done
  die "no mirror of this machine's apt serves ${PACKAGES[*]} of Debian $SUITE; name one with DEVICE_MIRROR=ADDRESS:" \
    "$(tail -qn 3 "$WORK/apt/log" 2>/dev/null | tr '\n' ' ')"
}

unpack() {
  local root=$WORK/root archive merged
  for merged in lib lib64 sbin; do ln -s "usr/$merged" "$root/$merged"; done
  for archive in "$WORK"/apt/archives/*.deb; do
    dpkg-deb --extract "$archive" "$root"
    dpkg-deb --show --showformat '${Package} ${Version}\n' "$archive"
  done > "$WORK/packages.txt"
  [ -x "$root/usr/sbin/adbd" ] || die "Debian $SUITE has no adbd"
}

# A phone's tree: its shell is mksh, its commands are toybox; a few that Debian's toybox lacks come from busybox.
shape() {
  local root=$WORK/root name
  mkdir -p "$root"/{system/bin,data/local/tmp,storage/emulated/0,phone/etc,phone/bin,host,proc,sys,dev,run,tmp,etc}
  ln -s system/bin "$root/bin"
  ln -s storage/emulated/0 "$root/sdcard"
  cp "$root/usr/bin/mksh" "$root/system/bin/sh"
  cp "$root/usr/bin/toybox" "$root/usr/bin/busybox" "$root/system/bin/"
  for name in $(loaded "$root/system/bin/toybox"); do
    [[ $name =~ ^[a-z0-9_-]+$ ]] && ln -sf toybox "$root/system/bin/$name"
  done
  for name in awk bc dd diff expr getopt gzip stty tr; do
    [ -e "$root/system/bin/$name" ] || ln -s busybox "$root/system/bin/$name"
  done
  printf '%s:x:%s:%s::/:/system/bin/sh\n' root 0 0 shell 2000 2000 > "$root/etc/passwd"
  printf '%s:x:%s:\n' root 0 input 1004 log 1007 adb 1011 sdcard_rw 1015 shell 2000 inet 3003 readproc 3009 \
    > "$root/etc/group"
}

libraries() { dirname "$(find "$WORK/root/usr/lib" -path '*-linux-gnu/ld-linux-*.so.*' | head -n 1)"; }

loaded() {
  local folder
  folder=$(libraries)
  "$folder"/ld-linux-*.so.* --library-path "$folder:$folder/android" "$@"
}

# The client of the same age, run by its own loader. It cannot start a server for itself that way: start
# `adb34 -P PORT nodaemon server` first.
client() {
  local folder
  folder=$(libraries)
  folder=$ROOT${folder#"$WORK/root"}
  printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$(echo "$(libraries)"/ld-linux-*.so.* | sed "s#$WORK#$FOLDER#")" \
    "$folder:$folder/android" "$ROOT/usr/lib/android-sdk/platform-tools/adb" > "$WORK/adb34"
  chmod 755 "$WORK/adb34"
}

fetch
unpack
shape
client
cc -shared -fPIC -O2 -Wall -Werror -o "$WORK/root/usr/lib/loopback_only.so" "$HERE/loopback_only.c" -ldl
rm -rf "$WORK/apt"
mv "$WORK" "$FOLDER"
echo "ready: $ROOT, $(grep '^adbd ' "$FOLDER/packages.txt")"
