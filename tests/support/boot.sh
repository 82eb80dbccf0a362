#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# boot.sh FOLDER
#
# Boots systemd as the first process of namespaces of its own, for tests of units. It sees this host's
# files, read-only, with these of its own: /etc, /usr/local and /root from FOLDER/etc, FOLDER/local and
# FOLDER/home, and empty ones where systems write. Its network is the caller's. Nothing that it does gets
# out: no device, no kernel setting, no control group of others. FOLDER/pid tells its first process,
# for nsenter. Runs until SIGTERM.

set -euo pipefail

folder=$1
root=$folder/root
groups=$folder/groups

# Removes the group that boot.sh's with that number made, if nobody is in it any more.
remove() {
    find "$groups/sallyport-boot-$1" -depth -type d -exec rmdir {} + 2>/dev/null
}

# What one that was killed left behind.
sweep() {
    local old
    for old in "$groups"/sallyport-boot-*; do
        old=${old##*-}
        kill -0 "$old" 2>/dev/null || remove "$old" || true
    done
}

# Where a control group of its own is the root of all it sees.
enter_group() {
    mkdir -p "$groups"
    mount -t cgroup2 cgroup2 "$groups"
    sweep
    group=$groups/sallyport-boot-$$
    mkdir "$group"
    echo 0 >"$group/cgroup.procs"
}

# Ends everything in it, for that is what the end of a first process does.
end() {
    trap - TERM
    kill -KILL "$outer" 2>/dev/null || true
    wait "$outer" || true
    echo 0 >"$groups/cgroup.procs"
    for ((tries = 0; tries < 20; tries++)); do # the kernel takes its time to empty it
        ! remove $$ || break
        sleep 0.1
    done
}

make_root() {
    local name
    mkdir -p "$root"
    mount --make-rprivate /
    mount --bind / "$root"
    mount -o remount,bind,ro "$root"
    for name in run tmp var home dev; do
        mount -t tmpfs -o mode=755 tmpfs "$root/$name"
    done
    chmod 1777 "$root/tmp"
    mkdir -p "$root/var/tmp" "$root/var/lib"
    mount --bind "$folder/etc" "$root/etc"
    mount --bind "$folder/local" "$root/usr/local"
    mount --bind "$folder/home" "$root/root"
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    make_devices
}

make_devices() {
    local name
    cd "$root/dev"
    for name in null zero full random urandom tty; do
        touch "$name"
        mount --bind "/dev/$name" "$name"
    done
    mkdir pts shm mqueue
    mount -t devpts -o newinstance,ptmxmode=666 devpts pts
    mount -t tmpfs -o mode=1777 tmpfs shm
    mount -t mqueue mqueue mqueue
    ln -s pts/ptmx ptmx
    ln -s /proc/self/fd fd
}

if [ "${2-}" = inside ]; then
    make_root
    cd "$root" # not chroot: whoever is in one may make no user namespaces (PrivateUsers=)
    pivot_root . .
    umount -l .
    cd /
    # What a container of systemd-nspawn has neither.
    exec setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-syslog,-sys_boot,-mac_admin,-mac_override \
        env -i container=sallyport PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=no
fi

enter_group
unshare --mount --pid --uts --ipc --cgroup --fork --kill-child bash "$0" "$folder" inside &
outer=$!
trap end EXIT
trap 'exit 0' TERM
for ((tries = 0; tries < 100; tries++)); do
    read -r first </proc/$outer/task/$outer/children && [ "$first" ] && break
    sleep 0.1
done
echo "${first% }" >"$folder/pid"
wait "$outer"
