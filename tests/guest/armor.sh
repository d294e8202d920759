#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs in the guest as its work script: gives it a root as a host has one, and then takes commands as agent.sh does.
#
# Nothing can change places with the initramfs, which is the very first root: pivot_root(2). And in a mere chroot
# AppArmor would know files by their names from the root above. So a file system is moved on top of it.
mkdir /root
mount -t tmpfs -o mode=755 root /root
cp -a /bin /etc /lib /lib64 /usr /agent.sh /root/
for place in proc sys dev mnt/share; do
    mkdir -p "/root/$place"
    mount --move "/$place" "/root/$place"
done
cd /root || exit
mkdir -p tmp run srv/share
mount --move . /
export PATH="$PATH:/usr/bin:/usr/sbin"
exec chroot . /bin/sh /agent.sh
