#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh [--keep] [--seconds N] [--png FILE]
#
# The main job in one command: builds sallyport, makes two callers behind firewalls that let out nothing
# but TCP 443, a server without a single UDP port and a gateway beside each caller, and lets two
# Chromium have a video call. Shows how it went, and a picture of a caller's page.
#
#   --keep        leaves the call running, until Ctrl-C; meanwhile look around in it
#   --seconds N   how long the call lasts (default: 15)
#   --png FILE    where the picture goes (default: build/demo.png)
#   --help        this text
#
# Everything happens in network namespaces of its own, which it removes however it ends. Needs root;
# installs the packages that are missing. Exit status: 0 the call went well, 1 it did not, 2 wrong use.

set -euo pipefail
# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/support/doors.sh"

keep=
seconds=15
png=$root/build/demo.png
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=1 ;;
        --seconds | --png)
            [ $# -gt 1 ] || die 2 "$1 wants a value"
            if [ "$1" = --png ]; then png=$2; else seconds=$2; fi
            shift
            ;;
        --help)
            usage
            exit 0
            ;;
        *) die 2 "unknown option $1: allowed are --keep, --seconds N, --png FILE, --help" ;;
    esac
    shift
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die 2 "--seconds $seconds: a whole number above 0"
[ "$(id -u)" = 0 ] || die 2 "needs root, to make network namespaces"

# report: the table, from the call's result and the firewalls' counters.
report() {
    local crossed refused
    crossed=$(($(lab_udp_crossed a) + $(lab_udp_crossed b)))
    refused=$(($(lab_udp_refused a) + $(lab_udp_refused b)))
    python3 - "$LAB_DIR/call.json" "$(lab_tcp443_bytes a)" "$(lab_tcp443_bytes b)" "$refused" "$crossed" <<'PYTHON'
import json, sys

call = json.load(open(sys.argv[1]))
a, b = call["a"], call["b"]
tunnel = [int(n) for n in sys.argv[2:4]]
refused, crossed = sys.argv[4:6]

def row(name, left, right=""):
    print(f"  {name:<32}{left:>14}{right:>14}")

def rtt(side):
    return f"{side['pair']['rtt_mean_ms']:.1f} ms"

def loss(side):
    lost = side["video"]["packets_lost"] + side["audio"]["packets_lost"]
    received = side["video"]["packets_received"] + side["audio"]["packets_received"]
    return f"{100 * lost / max(1, lost + received):.2f} %"

row("", "caller A", "caller B")
row("connected after", f"{a['connect_ms']:.0f} ms", f"{b['connect_ms']:.0f} ms")
row("first picture after", f"{a['first_frame_ms']:.0f} ms", f"{b['first_frame_ms']:.0f} ms")
row("frames received", a["video"]["frames_decoded"], b["video"]["frames_decoded"])
row("frames a second", f"{a['video']['fps']:.1f}", f"{b['video']['fps']:.1f}")
row("round trip, mean", rtt(a), rtt(b))
row("packets lost", loss(a), loss(b))
row("bytes through the tunnel", f"{tunnel[0]:,}", f"{tunnel[1]:,}")
row("UDP that the firewalls refused", f"{refused} packets")
row("UDP that crossed", crossed)
PYTHON
    [ "$crossed" = 0 ]
}

# start_call: the two browsers, from within the lab, so that they end with it. Returns when there is a
# result, be it that they found no way to each other.
start_call() {
    lab_host internet node "$root/tests/support/call.mjs" --url "$DOORS_PAGE" --json "$LAB_DIR/call.json" --png "$png" \
        --seconds "$seconds" --a-netns "$(lab_ns a)" --b-netns "$(lab_ns b)" --a-ice "$ice" --b-ice "$ice" \
        ${keep:+--keep} &
    browsers=$!
    # Not in the foreground: a signal to this script shall end it at once.
    while [ ! -e "$LAB_DIR/call.json" ] && kill -0 "$browsers" 2>/dev/null; do
        sleep 0.2
    done
    [ "$keep" ] || wait "$browsers"
}

call_came_up() {
    [ -e "$LAB_DIR/call.json" ] && [ "$(doors_json "$LAB_DIR/call.json" connected)" = true ]
}

say "building"
"$root/scripts/build.sh" >/dev/null
BUILD_DIR=$root/build
need_packages iproute2 iptables procps openssl curl
need_commands python3=python3
need_browsers chromium

say "making hosts and firewalls"
lab_up
for caller in a b; do
    lab_profile "$caller" https-only
done

say "starting the server (TCP 443 alone) and a gateway beside each caller"
doors_server --listen-udp none --serve tunnel,site --relay-ports none --relay-ip 198.51.100.2
for caller in a b; do
    doors_gateway "$caller"
done

say "starting two browsers"
doors_page
ice=$(doors_ice "turn:192.0.2.1:3478?transport=udp")
mkdir -p "$(dirname "$png")"
if ! start_call || ! call_came_up; then
    lab_show server
    lab_show gateway-a
    lab_show gateway-b
    die 1 "the call did not come up"
fi

echo
report || die 1 "UDP crossed a firewall"
echo
echo "The caller's page: $png"
echo "What both pages were given, and an application would be, at RTCPeerConnection:"
echo
python3 -c 'import json, sys; print(json.dumps({"iceServers": json.loads(sys.argv[1])}, indent=2))' "$ice"
if [ "$keep" ]; then
    echo
    echo "The call goes on. A shell on caller A: ip netns exec $(lab_ns a) bash"
    echo "Its firewall: scripts/firewall.sh status --netns $(lab_ns fwa)"
    echo "The server's figures: ip netns exec $(lab_ns edge) curl http://127.0.0.1:9641/status"
    echo "Logs: $LAB_DIR. Ctrl-C ends it and cleans up."
    wait "$browsers" || true
fi
