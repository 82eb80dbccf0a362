#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A site of one's own: --site with a folder, and --fallback with a web server behind. Nothing outside of the
# folder is to be had, a large file costs no memory however slowly it is read, and the tunnel's path is still a
# page that is missing.
#
# machine: shared
# sanitizers: yes
set -euo pipefail
# shellcheck source=tests/support/stranger.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/stranger.sh"

# ---- a folder --------------------------------------------------------------------------------------------

make_site() {
    site=$LAB_DIR/site
    mkdir -p "$site/sub" "$site/.git" "$site/.well-known"
    echo '<h1>Our own page</h1>' >"$site/index.html"
    echo 'body { color: green }' >"$site/style.css"
    echo 'in a folder' >"$site/sub/index.html"
    echo 'spaces and more' >"$site/a b%c.txt"
    echo 'our own page is missing' >"$site/404.html"
    echo 'not for you' >"$site/.git/config"
    echo 'for the CA' >"$site/.well-known/challenge"
    echo 'a secret beside it' >"$LAB_DIR/beside.txt"
    ln -s ../beside.txt "$site/out"
    ln -s /etc/passwd "$site/passwd"
    ln -s .. "$site/up"
    ln -s style.css "$site/link.css"
    mkfifo "$site/pipe"
    chmod -R go+rX "$site"
    chmod 755 "$LAB_DIR"
}

# fetch PATH [OPTION...]: "STATUS TYPE LENGTH"; head and body in files.
fetch() {
    curl -sS --http1.1 --path-as-is --cacert "$LAB_DIR/ca.pem" -D "$LAB_DIR/head" -o "$LAB_DIR/body" --max-time 20 \
        -w '%{http_code} %{content_type} %{size_download}' "${@:2}" "https://edge.test$1"
}

# fetches WANTED PATH [OPTION...]
fetches() {
    local got
    got=$(fetch "${@:2}")
    [ "$got" = "$1" ] || fail "curl ${*:2}: $got, not $1"
}

has_field() {
    grep -qi "^$1" "$LAB_DIR/head" || fail "no field $1 in $(cat "$LAB_DIR/head")"
}

files() {
    local tag date
    fetches "200 text/html; charset=utf-8 22" /
    cmp -s "$site/index.html" "$LAB_DIR/body" || fail "GET / is another page"
    has_field "Accept-Ranges: bytes"
    tag=$(sed -n 's/^ETag: \(.*\)\r$/\1/p' "$LAB_DIR/head")
    date=$(sed -n 's/^Last-Modified: \(.*\)\r$/\1/p' "$LAB_DIR/head")
    fetches "200 text/css; charset=utf-8 22" /style.css
    fetches "200 text/css; charset=utf-8 22" "/style.css?v=2"
    fetches "200 text/css; charset=utf-8 22" /link.css
    fetches "200 text/html; charset=utf-8 12" /sub/
    fetches "200 text/plain; charset=utf-8 16" /a%20b%25c.txt
    fetches "200 application/octet-stream 11" /.well-known/challenge
    fetches "200 text/html; charset=utf-8 0" / --head
    has_field "Content-Length: 22"
    fetches "304  0" / -H "If-None-Match: $tag"
    fetches "304  0" / -H "If-Modified-Since: $date"
    fetches "200 text/html; charset=utf-8 22" / -H 'If-None-Match: "another"'
    fetches "206 text/html; charset=utf-8 5" / -r 4-8
    [ "$(cat "$LAB_DIR/body")" = "Our o" ] || fail "a range is $(cat "$LAB_DIR/body")"
    has_field "Content-Range: bytes 4-8/22"
    fetches "206 text/html; charset=utf-8 6" / -r -6
    fetch / -r 22- | grep -q ^416 || fail "no 416"
    has_field 'Content-Range: bytes \*/22'
    fetch "/sub?x=1" | grep -q ^301 || fail "a folder without slash is not redirected"
    has_field "Location: /sub/?x=1"
    fetches "200 text/html; charset=utf-8 12" /sub -L
    fetch / -X DELETE | grep -q ^405 || fail "DELETE is not refused"
    has_field "Allow: GET, HEAD"
    ok "files, their types, folders, conditions and ranges"
}

# Whatever is asked, nothing but the folder's is to be had; a missing page is the folder's own.
traversal() {
    local path
    for path in /.. /../beside.txt /sub/../../beside.txt /%2e%2e/beside.txt /sub/%2e%2e/%2e%2e/beside.txt \
        /..%2fbeside.txt /%2e%2e%2fbeside.txt /sub/..%2f..%2fbeside.txt /.%2e/beside.txt //etc/passwd /%2fetc/passwd \
        '/..\beside.txt' /%252e%252e/beside.txt /%c0%ae%c0%ae/beside.txt /sub/./index.html /out /passwd /up/beside.txt \
        /up/site/index.html /.git/config /.git/ /%2egit/config /pipe /sub//index.html /index.html/ /none; do
        fetches "404 text/html; charset=utf-8 24" "$path"
        cmp -s "$site/404.html" "$LAB_DIR/body" || fail "GET $path shows $(cat "$LAB_DIR/body")"
    done
    for path in /%00 /index.html%00.txt /% /%zz /%4; do
        fetch "$path" | grep -q ^400 || fail "GET $path: $(fetch "$path")"
    done
    answers 'GET http://e/../beside.txt HTTP/1.1\r\nHost: e\r\n\r\n' "HTTP/1.1 404 "
    ok "no path leads out of the folder, whatever it is made of"
}

# The tunnel's path is a missing page like any other.
hidden() {
    local transport method token
    token=$(cat "$LAB_DIR/token")
    for method in GET POST HEAD; do
        for transport in tls tcp; do
            like_a_missing_page "$method by $transport" "$(knock $door wrong new $method)" $transport
        done
        like_a_missing_page "$method without token" "$(knock $door "" new $method)"
    done
    like_a_missing_page "a body" "POST $door HTTP/1.1\r\nHost: e\r\nContent-Length: 3\r\n\r\nabc"
    like_a_missing_page "an unknown tunnel" "$(knock $door "$token" "0000aabbccddeeff00112233445566778899; lane=1")"
    answers "$(knock $door "$token")" "HTTP/1.1 101 "
    ok "the tunnel's path can't be told from a missing page of the site"
}

# Three who read 100 MB so slowly that they would never end, one who reads it at once.
large() {
    local before after i
    head -c 104857600 /dev/urandom >"$site/large.bin"
    chmod 644 "$site/large.bin"
    fetches "200 text/html; charset=utf-8 22" /
    before=$(memory_kb server)
    for i in 1 2 3; do
        # shellcheck disable=SC2016
        host_spawn slow$i bash -c 'printf "GET /large.bin HTTP/1.1\r\nHost: e\r\n\r\n" | "$0" --slow 200000 tls "$1" 443 60' \
            "$support/raw.py" $edge4
    done
    fetches "200 application/octet-stream 104857600" /large.bin
    cmp -s "$site/large.bin" "$LAB_DIR/body" || fail "the file arrives altered"
    fetches "206 application/octet-stream 10" /large.bin -r 104857590-
    tail -c 10 "$site/large.bin" | cmp -s - "$LAB_DIR/body" || fail "its last ten bytes are others"
    after=$(peak_kb server)
    echo "memory: $before kB before, $after kB at most"
    # What a sanitizer keeps of freed memory is not the server's.
    [[ $server_program == */asan/* || $((after - before)) -lt 8192 ]] || fail "the server took $((after - before)) kB for it"
    for i in 1 2 3; do
        lab_running slow$i || fail "reader $i is not slow: $(cat "$LAB_DIR/slow$i.out")"
        kill "$(lab_pid slow$i)"
    done
    host_spawn cut curl -sS --http1.1 --cacert "$LAB_DIR/ca.pem" --limit-rate 2M https://edge.test/large.bin
    wait_until 20 test -s "$LAB_DIR/cut.out" || fail "curl gets nothing"
    : >"$site/large.bin"
    ! lab_wait cut || fail "a file that was emptied meanwhile looks whole"
    grep -q "curl: (18)\|curl: (56)" "$LAB_DIR/cut.err" || fail "curl says $(cat "$LAB_DIR/cut.err")"
    wait_until 5 is 'metric server http_cut_total' -ge 1 || fail "cut answers are not counted"
    ok "100 MB, to who reads slowly and who doesn't; a file that shrinks meanwhile is cut off"
}

# Nothing is left open of it all.
# Another folder takes its place, while requests come.
replaced() {
    cp -a "$site" "$site.next"
    echo '<h1>The next version</h1>' >"$site.next/index.html"
    fetches "200 text/html; charset=utf-8 22" /
    mv "$site" "$site.old"
    fetches "200 text/html; charset=utf-8 22" / # until it is there, the one from the start
    mv "$site.next" "$site"
    fetches "200 text/html; charset=utf-8 26" /
    mv "$site" "$site.real"
    ln -s site.old "$site"
    fetches "200 text/html; charset=utf-8 22" /
    ln -s site.real "$site.link"
    mv -T "$site.link" "$site"
    fetches "200 text/html; charset=utf-8 26" /
    fetches "404 text/html; charset=utf-8 24" /out
    ok "another folder in its place, or a link set anew, is served at once"
}

descriptors_stay() {
    wait_until 20 is 'descriptors server' -le "$descriptors_before" ||
        fail "$(descriptors server) descriptors are open, $descriptors_before before"
    ok "all files are closed again"
}

bad_folders() {
    local got status
    for bad in "$LAB_DIR/none" "$LAB_DIR/cert.pem"; do
        status=0
        got=$("$server_program" --listen $edge4:9443 --relay-ip $edge4 --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" \
            --secret-file "$LAB_DIR/secret" --admin none --site "$bad" 2>&1) || status=$?
        [[ $status = 2 && $got == *"$bad (--site): "* ]] || fail "--site $bad: status $status, $got"
    done
    ok "a folder that is none is named"
}

# ---- another web server ----------------------------------------------------------------------------------

web_server() {
    host_spawn web python3 "$support/web.py" 8080
    wait_until 10 curl -s -o /dev/null http://127.0.0.1:8080/ || fail "the web server behind does not start"
}

fallback() {
    local got token
    token=$(cat "$LAB_DIR/token")
    web_server
    host_stop server
    server_start --relay-ip $edge4 --fallback 127.0.0.1:8080
    got=$(curl -sS --http1.1 --cacert "$LAB_DIR/ca.pem" https://edge.test/page)
    [[ $got == *"GET /page HTTP/1.1"* ]] || fail "the web server behind does not answer: $got"
    # Byte for byte what it would say itself, to good requests, bad ones and nonsense.
    for text in 'GET /a HTTP/1.1\r\nHost: e\r\n\r\nGET /b HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n' \
        'POST /x HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello' 'BREW / HTTP/1.1\r\n\r\n' \
        'complete nonsense, a line of it\r\n\r\n' 'GET / HTTP/1.0\r\n\r\n' \
        "GET /..%2f HTTP/1.1\r\nX: $(printf '%020000d' 0)\r\nConnection: close\r\n\r\n"; do
        got=$(ask tls "$text" | od -c)
        [ "$got" = "$(printf '%b' "$text" | "$support/raw.py" tcp 127.0.0.1 8080 | without_date | od -c)" ] ||
            fail "not what the web server behind says to ${text:0:80}: $got"
    done
    last_words=--last answers_by tls 'GET /last HTTP/1.1\r\nHost: e\r\n\r\n' "GET /last HTTP/1.1" closed
    like_a_page_behind "a wrong token" "$(knock $door wrong)"
    like_a_page_behind "an upgrade by POST" "$(knock $door wrong new POST)"
    like_a_page_behind "an expired token" "$(knock $door "$expired")"
    like_a_page_behind "the right token in the clear" "$(knock $door "$token")" tcp
    answers "$(knock $door "$token")" "HTTP/1.1 101 "
    curl -sS --http1.1 --cacert "$LAB_DIR/ca.pem" https://edge.test/bytes/30000000 | cmp -s - <(head -c 30000000 /dev/zero) ||
        fail "a large answer does not arrive whole"
    curl -sS --http1.1 --cacert "$LAB_DIR/ca.pem" --data-binary @<(head -c 5000000 /dev/zero) https://edge.test/upload |
        grep -q "5000000 bytes" || fail "a large upload does not arrive whole"
    [ "$(metric server fallback_passed_on_total)" -ge 10 ] || fail "what was passed on is not counted"
    ok "--fallback: the web server behind answers, byte for byte; the right token still opens a lane"
}

# like_a_page_behind WHAT TEXT [tls|tcp]: as the web server itself would answer it, and as it would another page.
like_a_page_behind() {
    local what=$1 text=$2 transport=${3-tls} got wanted
    got=$(ask "$transport" "$text")
    wanted=$(ask "$transport" "${text/"$door"/"$elsewhere"}")
    [[ $got == *"$door"* ]] || fail "$what: $got"
    [ "${got//"$door"/"$elsewhere"}" = "$wanted" ] || fail "$what can be told: $(diff <(echo "$got") <(echo "$wanted"))"
}

unreachable() {
    kill "$(lab_pid web)"
    lab_wait web || true
    answers 'GET / HTTP/1.1\r\nHost: e\r\n\r\n' "HTTP/1.1 502 Bad Gateway" "Connection: close" closed
    [ "$(ask tls "$(knock $door wrong)")" = "$(ask tls "$(knock $elsewhere wrong)")" ] || fail "a 502 tells the tunnel's path"
    wait_until 5 grep -q 'no answer from the fallback.*127.0.0.1:8080.*refused' "$LAB_DIR/server.err" ||
        fail "the log does not say that the fallback is not there: $(cat "$LAB_DIR/server.err")"
    [ "$(metric server fallback_unreachable_total)" -ge 1 ] || fail "it is not counted"
    answers "$(knock $door "$(cat "$LAB_DIR/token")")" "HTTP/1.1 101 "
    web_server
    answers 'GET /again HTTP/1.1\r\nHost: e\r\n\r\n' "GET /again HTTP/1.1"
    ok "a fallback that is not there: 502, a line in the log, and tunnels all the same"
}

need_packages python3
need_commands curl=curl ip=iproute2
host_up
expired=$(credentials alice --ttl 1 | json token /dev/stdin)
make_site
server_start --relay-ip $edge4 --site "$site"
fetches "200 text/html; charset=utf-8 22" /
descriptors_before=$(descriptors server)
files
traversal
hidden
large
replaced
descriptors_stay
bad_folders
fallback
unreachable
