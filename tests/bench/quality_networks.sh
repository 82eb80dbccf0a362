# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The networks that the quality bench knows. A name says all, and any such name will do: parts between
# dashes, the first two always there.
#
#     30ms         one way, of each of the two links
#     2%           lost, of each link and direction
#     burst3       in bursts, 3 in a row on average
#     6mbit        rate of each link and direction, with a drop-tail queue of 150 ms
#     bulk         beside a download by TCP (cubic) to a
#     outage       a's link loses everything for 300 ms, after a third of the time
#     onoff        the loss comes and goes: a sixth of the time on, a sixth off
#     10to1mbit    rate that falls to 1 Mbit/s after a third of the time, and is back after two thirds

# The six networks that are always measured, and what --full adds.
# shellcheck disable=SC2034
quality_networks=(30ms-0% 30ms-1% 30ms-2% 30ms-5% 10ms-2% 30ms-1%-burst3-6mbit)
# shellcheck disable=SC2034
quality_more_networks=(10ms-0% 10ms-0.5% 10ms-1% 10ms-5% 30ms-0.5% 80ms-0% 80ms-0.5% 80ms-1% 80ms-2% 80ms-5%
    30ms-1%-burst3 30ms-2%-burst3 30ms-0%-6mbit 30ms-1%-6mbit 30ms-0%-3mbit 30ms-1%-burst3-3mbit
    30ms-0%-6mbit-bulk 30ms-1%-6mbit-bulk 30ms-0%-outage 30ms-1%-outage 30ms-5%-onoff 30ms-0%-10to1mbit)

# network_read NAME SECONDS: sets one_way_ms, words (of both links), changes_a and changes_b (lines for
# link_tell, to be said when the media start), events (when the delay should go back to the floor, in seconds) and
# bulk (yes or empty). Fails when the name is none.
# shellcheck disable=SC2034 # for the caller
network_read() {
    local part loss i third
    [[ $1 =~ ^([0-9]+)ms-([0-9]+(\.[0-9]+)?)%((-[a-z0-9]+)*)$ ]] || return 1
    one_way_ms=${BASH_REMATCH[1]} loss=${BASH_REMATCH[2]} bulk=""
    words=("delay=${one_way_ms}ms" "loss=$loss%" queue=150ms) changes_a=() changes_b=() events=()
    third=$(_network_time "$2 / 3")
    for part in ${BASH_REMATCH[4]//-/ }; do
        case $part in
            burst[1-9]*) words+=("burst=${part#burst}") ;;
            [1-9]*to[1-9]*mbit)
                i=${part%mbit}
                words+=("rate=${i%to*}M")
                changes_a+=("at $third both rate=${i#*to}M" "at $(_network_time "2 * $2 / 3") both rate=${i%to*}M")
                changes_b=("${changes_a[@]}")
                events=("$third" "$(_network_time "2 * $2 / 3")")
                ;;
            [1-9]*mbit) words+=("rate=${part%mbit}M") ;;
            outage)
                changes_a+=("at $third both loss=100%" "at $(_network_time "$2 / 3 + 0.3") both loss=$loss%")
                events=("$(_network_time "$2 / 3 + 0.3")")
                ;;
            onoff)
                for i in 1 3 5; do
                    changes_a+=("at $(_network_time "$i * $2 / 6") both loss=0%"
                        "at $(_network_time "($i + 1) * $2 / 6") both loss=$loss%")
                done
                changes_b=("${changes_a[@]}")
                ;;
            bulk) bulk=yes ;;
            *) return 1 ;;
        esac
    done
}

_network_time() {
    awk "BEGIN { printf \"%.3f\", $1 }"
}
