#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs in the guest as its work script: takes commands from the second serial port, one a line, and answers each with
# its exit status and what it printed. Both travel in base64, so that a line is a whole message whatever it holds.
# The other end is tests/support/guest.py.
mkdir -p /etc
echo root:x:0:0::/:/bin/sh >/etc/passwd
echo alice:x:1000:1000::/:/bin/sh >>/etc/passwd
echo bob:x:1001:1001::/:/bin/sh >>/etc/passwd
printf 'root:x:0:\nalice:x:1000:\nbob:x:1001:\n' >/etc/group
cd /mnt/share || exit

stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
echo ready >&3
while read -r command <&3; do
    echo "$command" | base64 -d >/tmp/command
    sh /tmp/command >/tmp/output 2>&1 </dev/null
    echo "$? $(base64 -w 0 /tmp/output)" >&3
done
