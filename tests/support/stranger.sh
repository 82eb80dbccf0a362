# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a stranger asks the server's port, and what is answered. Source it, don't run it.

# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/one-host.sh"

edge4=198.51.100.2
# shellcheck disable=SC2034
door=/.well-known/sallyport
elsewhere=/.well-known/something # of the same length

# ask tls|tcp TEXT: what the port answers; \r\n and the like as printf's %b takes them. Without Date.
# With last_words=--last the end of what is said comes in one piece with it.
last_words=
ask() {
    printf '%b' "$2" | "$support/raw.py" ${last_words:+"$last_words"} "$1" $edge4 443 | without_date
}

without_date() {
    sed 's/^Date: .* GMT\r$/Date\r/'
}

# answers TEXT WANTED…: the answer to TEXT by TLS has these in it.
answers() {
    answers_by tls "$@"
}

# answers_by tls|tcp TEXT WANTED…
answers_by() {
    local text=$2 got wanted
    got=$(ask "$1" "$text" | tr -d '\r\0')
    for wanted in "${@:3}"; do
        [[ $got == *"$wanted"* ]] || fail "no \"$wanted\" in the answer to: $text"$'\n'"$got"
    done
}

# knock PATH TOKEN [TUNNEL [METHOD]]: a request for a lane. TOKEN may be empty: no Authorization then.
knock() {
    printf '%s %s HTTP/1.1\\r\\nHost: edge.test\\r\\n' "${4-GET}" "$1"
    printf 'Connection: Upgrade\\r\\nUpgrade: rfc4571\\r\\n'
    [ -z "$2" ] || printf 'Authorization: Bearer %s\\r\\n' "$2"
    printf 'Sallyport-Tunnel: %s\\r\\n\\r\\n' "${3-new}"
}

# like_a_missing_page WHAT TEXT [tcp]: the answer to it is that to the same request for another page.
like_a_missing_page() {
    local what=$1 text=$2 transport=${3-tls} got wanted
    got=$(ask "$transport" "$text" | od -c)
    wanted=$(ask "$transport" "${text/"$door"/"$elsewhere"}" | od -c)
    [[ $text == *"$door"* && $got == *"4   0   4"* ]] || fail "$what: no 404: $got"
    [ "$got" = "$wanted" ] ||
        fail "$what can be told from a missing page: $(diff <(echo "$got") <(echo "$wanted"))"
}
