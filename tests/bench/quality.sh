#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# quality.sh [OPTION...]
#
# How well voice and video do by each path on links that delay and lose; scripts/bench.sh quality runs it.
# Every measured row is kept, by commit, network, path, rate, congestion controls, time and seed, so a run that
# was ended goes on where it was, and what was measured once is shown at once.
#
#     --network LIST    of names as 30ms-2% (tests/bench/quality_networks.sh), with commas; default: six
#     --path LIST       of udp,coturn,one-lane,ours,turns,ice-tcp; default: all
#     --cc NAME         TCP's congestion control on all hosts, as cubic or bbr; default: cubic
#     --server-cc NAME  the server's --turn-congestion, which is of its own half of turns and ice-tcp: auto, system (what
#                       --cc says) or a name; default: SALLYPORT_TURN_CONGESTION or auto
#     --video LIST      kbit/s of video; default: 2000
#     --seconds N       of media in each row; default: 30
#     --seeds N         rows of each kind, with seeds 1 to N; default: 3
#     --full            more networks, and 500 and 6000 kbit/s on the six
#     --minutes N       begin no row later than that; what is left is "not run"
#     --tries N         of a row for which the machine was busy; default: 3
#     --again           measure also what was measured before
#     --show            measure nothing: only what is there
#
# The commit is that which last changed sallyport's programs, and rows of udp and coturn do not depend on it; all
# depend on what the bench itself is made of.
# Writes one JSON object a row to standard output, also for rows that were not run. Exit status: 0 all is
# there, 3 some rows were not run or failed, 2 wrong use.
set -euo pipefail
# shellcheck source=tests/bench/rows.sh
. "$(dirname "${BASH_SOURCE[0]}")/rows.sh"

# shellcheck disable=SC2034 # rows.sh's
rows_row=quality_row.sh rows_seeds=3 rows_full_rates=(500 6000)
# shellcheck disable=SC2034
rows_made_of=(bench/media_quality.c support/{media_source,media_tally,media_end,ice_user}.{c,h})
rows_main "$@"
