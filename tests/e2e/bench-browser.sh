#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scripts/bench.sh browser runs: a short call of two Chromium by gateways on links with delay, and one by ICE-TCP. Their
# rows have all that the table is made of, by the path that they name, and are kept. What the figures say is not this
# test's business.
# machine: shared
# timeout: 300

# shellcheck source=tests/support/links.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/links.sh"
# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

links_need
doors_browsers chromium
out=$(mktemp)
trap 'rm -f "$out"' EXIT
seconds=4

bench() {
    "$root/scripts/bench.sh" --quick browser --network 10ms-0% --seconds $seconds --tries 1 "$@" >"$out"
}

bench --path ours,ice-tcp --again || fail "bench.sh browser ended with status $?"
grep -Eq "^\| 10ms-0% \| ours \| [0-9.]+ .* 1 \|" "$out" || fail "no row: $(cat "$out")"
grep -Eq "^\|  \| ice-tcp \(server: [a-z]+\) \| [0-9.]+ .* 1 \|" "$out" || fail "no row for ICE-TCP: $(cat "$out")"
python3 - "$root/build/bench/quick/browser.json" $seconds <<'PYTHON'
import json, sys

seconds = int(sys.argv[2])


def check(row, path, gateways, local):
    assert (row["network"], row["path"], row["seed"], row["seconds"]) == ("10ms-0%", path, 1, seconds), row
    assert all(row["links"][name]["own_error_us"] for name in "ab"), row["links"]
    assert {"server", "link-a", "link-b", *gateways} == set(row["cpu_ns"]), row["cpu_ns"]
    assert all(spent > 0 for spent in row["cpu_ns"].values()), row["cpu_ns"]
    load = row["load"]
    assert load["cores"] > 0 and 0 < load["busy_percent"] <= 100 and 0 <= load["steal_percent"] <= 100, load
    assert all(share > 0 for share in load["browser_percent"]), load
    assert sum(load["browser_percent"]) <= load["busy_percent"] + 10, load
    call = row["call"]
    assert call["version"].startswith("Chromium ") and call["codec"] == "VP8", call["version"]
    came = 0
    for name in "ab":
        samples = call[name]
        assert len(samples) == seconds + 1, f"{name}: {len(samples)} samples"
        first, last = samples[0], samples[-1]
        assert all(later["at_ms"] > sooner["at_ms"] for sooner, later in zip(samples, samples[1:])), samples
        assert 0 < first["connect_ms"] and 0 < first["first_frame_ms"] <= first["at_ms"], first
        assert last["codec"] == "video/VP8", last["codec"]
        assert local.items() <= last["local"].items(), last["local"]
        video, audio, sent, pair = (last[key] for key in ("video", "audio", "sent", "pair"))
        more = {key: video[key] - first["video"].get(key, 0) for key in video}
        assert 0 < more["framesDecoded"] <= 2 * 30 * seconds, more
        assert 0 < more["jitterBufferDelay"] <= more["jitterBufferEmittedCount"] * 5, more
        assert 0 < more["packetsReceived"] and more["packetsLost"] < more["packetsReceived"], more
        assert 0 <= more["freezeCount"] and 0 <= more["totalFreezesDuration"] <= seconds + 10, more
        assert 0 <= more["retransmittedBytesReceived"] < more["bytesReceived"], more
        assert 0 < video["frameHeight"] <= 360 and 0 <= video["framesPerSecond"] <= 60, video
        assert 0 <= audio["concealedSamples"] <= audio["totalSamplesReceived"], audio
        assert 0 < audio["jitterBufferDelay"] and 0 < audio["jitterBufferEmittedCount"], audio
        assert 0 < audio["packetsReceived"] and 0 < audio["bytesReceived"], audio
        assert 0 < sent["framesEncoded"] and 0 <= sent["retransmittedBytesSent"] < sent["bytesSent"], sent
        assert sent["qualityLimitationDurations"].keys() >= {"cpu", "bandwidth"}, sent
        # Two links, there and back: 40 ms at least.
        assert pair["availableOutgoingBitrate"] > 0 and 0.04 <= pair["currentRoundTripTime"] < 5, pair
        assert last["camera_fps"] > 0, last
        came += more["bytesReceived"]
    assert row["wire_bytes"] > came, f"{row['wire_bytes']} bytes on the links, {came} of them media"


ours, ice_tcp = [json.loads(line) for line in open(sys.argv[1])]
# By the gateway, and by the server's relay.
check(ours, "ours", ["gateway-a", "gateway-b"], {"candidateType": "relay", "relayProtocol": "udp", "address": "198.51.100.2"})
check(ice_tcp, "ice-tcp", [], {"protocol": "tcp"})
assert ice_tcp["server_cc"] and "server_cc" not in ours, ice_tcp.get("server_cc")
assert all(side[-1]["local"]["candidateType"] != "relay" for side in (ice_tcp["call"]["a"], ice_tcp["call"]["b"]))
PYTHON
ok "the rows of calls are whole"

status=0
bench --path ours,udp --seeds 2 --show || status=$?
[ "$status" = 1 ] || fail "with rows that were not run the status is $status"
grep -Eq "^\| 10ms-0% \| ours \| [0-9.]+ .* 1 \(not run: 2\) \|" "$out" || fail "what was not run is not shown: $(cat "$out")"
ok "what was measured is kept, what was not is shown as that"
for wrong in "--network 10ms" "--path car" "--seconds 1" "--plots" "--speed"; do
    status=0
    # shellcheck disable=SC2086
    "$root/scripts/bench.sh" --quick browser $wrong >/dev/null 2>&1 || status=$?
    [ "$status" = 2 ] || fail "browser $wrong ends with status $status"
done
"$root/scripts/bench.sh" browser --help | grep -q -- --network || fail "no help"
ok "wrong use is refused"
