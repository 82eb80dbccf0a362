# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Debian's coturn, set up as its users set it up, to be measured beside sallyport: long-term credentials
# test:test, TLS with the same kind of certificate. Source it after one-host.sh or doors.sh.

# coturn_options ADDR TLS-PORT: an option a line. UDP and plain TCP on port 3478 of that address.
coturn_options() {
    printf '%s\n' -n --no-cli --listening-ip "$1" --relay-ip "$1" --listening-port 3478 \
        --tls-listening-port "$2" --alt-listening-port 0 --lt-cred-mech --user test:test --realm edge.test \
        --cert "$LAB_DIR/cert.pem" --pkey "$LAB_DIR/key.pem" --no-dtls --allow-loopback-peers \
        --log-file stdout --simple-log --db "$LAB_DIR/turndb" --pidfile "$LAB_DIR/turnserver.pid"
}

# coturn_wait ADDR [COMMAND...]: until it answers there, within 30 s (on a busy machine, under valgrind). The command, if any, takes us to its host.
coturn_wait() {
    local tries=60
    until "${@:2}" timeout 0.5 turnutils_stunclient "$1" >/dev/null 2>&1; do
        ((tries-- > 0)) || fail "coturn does not answer: $(tail -n 3 "$LAB_DIR/coturn.out")"
        sleep 0.1
    done
}
