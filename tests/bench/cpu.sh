#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a delivered datagram costs the server: turnutils_uclient, 20 clients in pairs, 1,200 bytes each 5 ms,
# by UDP, TCP and TLS, sallyport and coturn in turn. Processor time is that of the process with all its
# threads; delivered is what the clients counted. By the gateway: its own time stands beside the server's.
# Called by scripts/bench.sh, which says what comes out.
# shellcheck disable=SC2119 # the gateway is as gateway_start makes it
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"
# shellcheck source=tests/bench/coturn.sh
. "$(dirname "${BASH_SOURCE[0]}")/coturn.sh"

ours=198.51.100.2 theirs=198.51.100.3
rounds=${BENCH_ROUNDS:-3} messages=${BENCH_MESSAGES:-1000}

# cpu_ns LOG: processor time of a running program, all threads.
cpu_ns() {
    cat /proc/"$(lab_pid "$1")"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# measure PATH SERVER UCLIENT-ARGUMENT...: one run, as a line of JSON.
measure() {
    local path=$1 server=$2 before gateway=0 last
    shift 2
    before=$(cpu_ns "$server")
    [ "$path" != gateway ] || gateway=$(cpu_ns gateway)
    timeout 120 turnutils_uclient -y -c -m 20 -l 1200 -z 5 -n "$messages" -u test -w test "$@" \
        >"$LAB_DIR/uclient.out" 2>&1 || fail "$path, $server: $(tail -n 3 "$LAB_DIR/uclient.out")"
    [ "$path" != gateway ] || gateway=$(($(cpu_ns gateway) - gateway))
    last=$(grep -o 'tot_send_msgs=[0-9]*, tot_recv_msgs=[0-9]*$' "$LAB_DIR/uclient.out" | tail -n 1)
    [[ $last =~ ^tot_send_msgs=([0-9]+),\ tot_recv_msgs=([0-9]+)$ ]] || fail "$path, $server: no summary"
    printf '{"path": "%s", "server": "%s", "sent": %d, "delivered": %d, "cpu_ns": %d, "gateway_cpu_ns": %d}\n' \
        "$path" "$server" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "$(($(cpu_ns "$server") - before))" \
        "$gateway" >&3
}

need_commands turnutils_uclient=coturn curl=curl openssl=openssl ip=iproute2
host_up
exec 3>&1 >&2
server_start --relay-ip $ours --listen $ours:3478 --workers 1
gateway_start
mapfile -t options < <(coturn_options $theirs 443)
host_spawn coturn turnserver "${options[@]}"
coturn_wait $theirs
ln -s server.pid "$LAB_DIR/sallyport.pid"
for ((round = 0; round < rounds; round++)); do
    for server in sallyport:$ours coturn:$theirs; do
        measure UDP "${server%%:*}" "${server#*:}"
        measure TCP "${server%%:*}" -t "${server#*:}"
        measure TLS "${server%%:*}" -t -S -p 443 "${server#*:}"
    done
    measure gateway sallyport 192.0.2.1
done
rm "$LAB_DIR/sallyport.pid"
lab_stop coturn
