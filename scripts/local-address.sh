#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# local-address.sh [--remove]
#
# Adds 192.0.2.1/32 to this host's loopback interface, so that browsers can name the gateway
#
#     turn:192.0.2.1:3478?transport=udp
#
# on every network alike. Firefox uses no TURN server at 127.0.0.1, and uses this one; so does
# Chromium. The address is of TEST-NET-1 (RFC 5737), which belongs to nobody.
# It lasts until the next boot. sallyport-client listens on it by default, if it is there when the
# gateway starts, and answers this host alone.
#
#   --remove    takes it away again
#
# Safe to run again. Needs root. Exit status: 0 done, 1 the system refused, 2 wrong use.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

address=192.0.2.1/32

present() {
    [ -n "$(ip -4 -oneline address show dev lo to "$address")" ]
}

action=add
case ${1-} in
    "") ;;
    --remove) action=remove ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) die 2 "unknown argument $1: there is --remove" ;;
esac
[ $# -le 1 ] || die 2 "unknown argument $2: one is allowed, --remove"
[ "$(id -u)" = 0 ] || die 2 "changing addresses needs root: sudo $0${1:+ $1}"
need_commands ip=iproute2

if [ $action = add ] && ! present; then
    ip address add "$address" dev lo || die 1 "could not add $address to lo"
elif [ $action = remove ] && present; then
    ip address del "$address" dev lo || die 1 "could not remove $address from lo"
fi
say "$(present && echo "$address is on lo" || echo "$address is not on lo")"
