#!/bin/sh
# Makes a Debian tree the system of the test's virtual machine. Arguments: the tree, the agent.
set -eu
tree=$1 agent=$2
install -m 755 "$agent" "$tree/usr/local/sbin/vm-agent"
cat >"$tree/etc/systemd/system/vm-agent.service" <<'UNIT'
[Unit]
Description=Runs what the host sends
After=basic.target
[Service]
ExecStart=/usr/local/sbin/vm-agent
Restart=always
# What the tests leave running in the background is theirs.
KillMode=process
[Install]
WantedBy=multi-user.target
UNIT
cat >"$tree/etc/systemd/network/wired.network" <<'NETWORK'
[Match]
Name=en*
[Network]
DHCP=yes
NETWORK
cat >"$tree/etc/fstab" <<'FSTAB'
/dev/vda / ext4 defaults 0 1
/dev/vdb /var/lib/porthole ext4 defaults 0 2
/dev/vdc /home/ada/porthole/target ext4 ro 0 0
FSTAB
echo vm >"$tree/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 vm\n::1 localhost\n' >"$tree/etc/hosts"
# An initial file system of three modules is read much faster than one for every machine.
echo MODULES=list >"$tree/etc/initramfs-tools/conf.d/vm"
printf 'virtio_pci\nvirtio_blk\next4\n' >"$tree/etc/initramfs-tools/modules"
chroot "$tree" update-initramfs -u
chroot "$tree" systemctl enable vm-agent.service systemd-networkd.service
# Only docker's client is wanted.
chroot "$tree" systemctl mask docker.service docker.socket containerd.service
# A user as a new user is: with sudo, in no group of Porthole's.
chroot "$tree" useradd --create-home --shell /bin/bash ada
install -d -o 1000 -g 1000 "$tree/home/ada/porthole" "$tree/home/ada/porthole/target"
install -d "$tree/var/lib/porthole"
echo 'ada ALL=(ALL) NOPASSWD: ALL' >"$tree/etc/sudoers.d/ada"
# A journal on disk: what a test asks of the boot before is there.
install -d "$tree/var/log/journal"
