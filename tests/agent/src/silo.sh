#!/bin/sh
# Enters a silo made by hand and runs the agent in it: silo.sh KERNEL-ROOT FILES REGISTRY RUN-DIR PROBES
# To be started as root through `unshare -mpfi`, with the channel as standard input and output.
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
kernel=$1 files=$2 registry=$3 run=$4 probes=$5
mount --make-rprivate /
top=$(mktemp -d "$run/top.XXXX")
mount -t tmpfs tmpfs "$top"
mkdir "$top/root" "$top/upper" "$top/work" "$top/prefix"
root=$top/root
mount --bind "$kernel" "$root"
mount -o remount,bind,ro "$root"
mount -t overlay overlay -o "lowerdir=$files,upperdir=$top/upper,workdir=$top/work" "$root/c"
mkdir "$root/c/probes"
mount --bind "$probes" "$root/c/probes"
cp "$registry"/*.reg "$top/prefix"
mkdir "$top/prefix/dosdevices"
ln -s /c "$top/prefix/dosdevices/c:"
mount --bind "$top/prefix" "$root/prefix"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/run/porthole"
mount --bind "$run" "$root/run/porthole"
mount -t tmpfs tmpfs "$root/dev"
mknod -m666 "$root/dev/null" c 1 3
exec env -i WINEPREFIX=/prefix LC_ALL=C.UTF-8 HOME=/prefix USER=ContainerAdministrator \
    WINEDEBUG="${WINEDEBUG--all}" WINESERVER=/usr/lib/wine/wineserver64 \
    /usr/bin/unshare --root="$root" --wd=/c /usr/lib/wine/wine64 \
    'C:\Windows\System32\cexecsvc.exe'
