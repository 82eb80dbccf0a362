#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ICE restarts in mid-call, both sides blocked. Two Chromium: first the caller restarts, then the other. Then
# Firefox calls Chromium and restarts twice. (Chromium calling Firefox, and restarts by who was called in a call
# of these two, fail in the browsers now and then, whatever TURN server they use.) Each time both sides must go
# over to new relayed addresses, and pictures go on.
# timeout: 300

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

# call CALLER CALLED FIRST SECOND: who restarts first, and then.
call() {
    doors_call --orders --a-browser "$1" --b-browser "$2" --a-netns "$(lab_ns a)" --b-netns "$(lab_ns b)" \
        --a-ice "$ice" --b-ice "$ice" <<EOF
frames 30
figures $LAB_DIR/before.json
mark first restart, by $3
restart $3
frames 30
figures $LAB_DIR/between.json
mark second restart, by $4
restart $4
frames 30
report $LAB_DIR/gaps.json
end
EOF
    "$root/tests/support/blocked_call.py" "$LAB_DIR/call.json" || fail "$1 to $2, after two ICE restarts"
    python3 - "$LAB_DIR"/{before,between,call,gaps}.json "$1 to $2" <<'PYTHON'
import json, sys

*stages, gaps = [json.load(open(file)) for file in sys.argv[1:-1]]
for name in "ab":
    ports = [stage[name]["pair"]["local"]["port"] for stage in stages]
    assert len(set(ports)) == 3, f"{name} went by {ports}: no new relayed address"
    for mark in gaps[name]["marks"]:
        longest = {kind: mark[kind].get("gap_ms", 0) for kind in ("video", "audio")}
        print(f"{sys.argv[-1]}, {mark['name']}: {name} had no voice for {longest['audio']} ms, "
              f"no picture for {longest['video']} ms")
PYTHON
}

doors_browsers firefox chromium
doors_two_blocked
call chromium chromium a b
call firefox chromium a a
doors_no_udp
