# Runs a program of a kernel package, then ends Wine, in namespaces of their own that end with it.
# $1: the kernel package's root. $2: a working directory that holds root, tmp, prefix, c and share.
# The rest: the program and its arguments.
set -eu
kernel=$1 work=$2
shift 2
root=$work/root
mount --make-rprivate /
mount --bind "$kernel" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/urandom" c 1 9
mount --bind "$work/tmp" "$root/tmp"
mount --bind "$work/prefix" "$root/prefix"
mount --bind "$work/c" "$root/c"
mount --bind "$work/share" "$root/usr/share/wine"
hostname porthole
inside() {
    env -i WINEPREFIX=/prefix WINESERVER=/usr/lib/wine/wineserver64 WINEDEBUG=-all LC_ALL=C.UTF-8 \
        HOME=/prefix USER=ContainerAdministrator \
        WINEDLLOVERRIDES='mscoree,mshtml=;winemenubuilder.exe=' \
        "$(command -v unshare)" --root="$root" --wd=/prefix "$@"
}
inside "$@"
# The registry is on disk when wineserver has ended; it may have ended by itself.
inside /usr/lib/wine/wineserver64 -k || true
inside /usr/lib/wine/wineserver64 -w || true
