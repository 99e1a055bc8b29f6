#!/bin/bash
# Runs what the host sends over the virtual machine's serial port: a line of base64 in, a line with
# the exit status and the output in base64 out.
port=/dev/virtio-ports/porthole.vm
exec 3<>"$port"
echo "ready $(cat /proc/sys/kernel/random/boot_id)" >&3
while IFS= read -r line <&3; do
    [ -n "$line" ] || continue
    printf %s "$line" | base64 -d >/run/vm-script
    output=$(timeout 280 bash /run/vm-script 3>&- </dev/null 2>&1 | base64 -w0; exit "${PIPESTATUS[0]}")
    echo "done $? $output" >&3
done
