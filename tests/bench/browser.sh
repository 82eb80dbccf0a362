#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# browser.sh [OPTION...]
#
# What becomes of a call of two Chromium by each path on links that delay and lose: frames, freezes, jitter buffers
# and the bit rate that its own congestion control reaches; scripts/bench.sh browser runs it. Camera and
# microphone both ways; the camera shows a picture that moves all over, 640x360, 30 times a second, which VP8
# can spend 2 Mbit/s on. Rows are kept as those of quality.sh are, with the browser's version beside the rest.
#
#     --network LIST    of names as 30ms-2% (tests/bench/quality_networks.sh), with commas; default: six
#     --path LIST       of udp,coturn,one-lane,ours,turns,ice-tcp; default: all
#     --cc NAME         TCP's congestion control on all hosts, as cubic or bbr; default: cubic
#     --server-cc NAME  the server's --turn-congestion, which is of its own half of turns and ice-tcp: auto, system (what
#                       --cc says) or a name; default: SALLYPORT_TURN_CONGESTION or auto
#     --video LIST      kbit/s that video may take at most; default: 2000
#     --seconds N       of each call once both see each other; default: 30
#     --seeds N         rows of each kind, with links of seeds 1 to N; the browsers have none; default: 1
#     --full            more networks
#     --minutes N       begin no row later than that; what is left is "not run"
#     --tries N         of a row for which the machine was busy; default: 3
#     --again           measure also what was measured before
#     --show            measure nothing: only what is there
#
# Writes one JSON object a row to standard output, also for rows that were not run. Exit status: 0 all is
# there, 3 some rows were not run or failed, 2 wrong use.
set -euo pipefail
# shellcheck source=tests/bench/rows.sh
. "$(dirname "${BASH_SOURCE[0]}")/rows.sh"

# shellcheck disable=SC2034 # rows.sh's
rows_row=browser_row.sh
# shellcheck disable=SC2034
rows_made_of=(support/{measured_call,motion}.mjs support/measured{.html,_page.js} support/browser/{chromium,host,pair}.mjs)
# shellcheck disable=SC2034
rows_with=$(dpkg-query -W -f='${Version}' chromium 2>/dev/null || true)
rows_main "$@"
