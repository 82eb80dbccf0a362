#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The lab against itself: what a killed script left behind (its processes, its hosts, its folder and what was
# mounted in there) is gone with the next one's beginning, and what was mounted is as before.
# machine: shared

# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lab.sh"
set -euo pipefail

# Makes a lab, says its id and folder, and waits to be killed.
leave_behind() {
    lab_up
    mkdir "$LAB_DIR/read only" "$LAB_DIR/shared"
    mount -t sysfs -o ro sysfs "$LAB_DIR/read only"
    mount --bind "$1" "$LAB_DIR/shared"
    mount --bind "$1" "$LAB_DIR/shared/deeper"
    lab_spawn a sleeper sleep 60
    echo "$LAB_ID $LAB_DIR" >"$1/left"
    sleep 60
}

if [ "${1:-}" = leave-behind ]; then
    leave_behind "$2"
fi

[ "$(id -u)" = 0 ] || skip "needs root"
mine=$(mktemp -d)
trap 'rm -rf "$mine"' EXIT
mkdir "$mine/deeper"
echo kept >"$mine/deeper/file"
bash "${BASH_SOURCE[0]}" leave-behind "$mine" &
script=$!
wait_until 20 [ -s "$mine/left" ] || fail "no lab was made"
read -r id dir <"$mine/left"
runs() { sleeper=$(_lab_pids "$id") && [ "$sleeper" ]; }
wait_until 10 runs || fail "nothing runs in lab $id"
pkill -KILL -P $script sleep || true
kill -KILL $script
wait $script 2>/dev/null || true

lab_sweep
wait_until 5 [ ! -e "/proc/$sleeper" ] || fail "process $sleeper is left"
[ ! -e "/run/netns/sallyport-$id-a" ] || fail "host a is left"
[ ! -e "$LAB_STATE/$id" ] || fail "its line in $LAB_STATE is left"
[ ! -e "$dir" ] || fail "$dir is left: $(find "$dir" | head)"
[ "$(cat "$mine/deeper/file")" = kept ] || fail "what was mounted is not as before: $(find "$mine")"
ok "what a killed script left behind is gone, what was mounted is as before"
