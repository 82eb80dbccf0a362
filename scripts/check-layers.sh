#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-layers.sh [TREE]
#
# Holds the modules of a source tree (default: this one) to its scripts/layers.txt, and names each
# line that breaks a rule:
#
#   - every .c and .h of src/, include/sallyport/, client/ and server/ is a module of the table
#   - a module includes modules of its own layer or below, and there is no ring of includes
#   - client/ and server/ include "sallyport/..." and their own headers, never each other's;
#     src/ includes "sallyport/..." and headers beside it; include/ only "sallyport/..."
#   - every header compiles alone
#
# Exit status: 0 all is well, 1 it is not, 2 wrong use.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1-} in
    --help)
        usage
        exit 0
        ;;
    -*) die 2 "unknown option $1: one argument is allowed, a folder" ;;
esac
cd "${1:-$root}" 2>/dev/null || die 2 "no folder $1"
[ -r scripts/layers.txt ] || die 2 "no scripts/layers.txt in $PWD"

sources=()
for folder in src include/sallyport client server; do
    [ ! -d "$folder" ] || mapfile -t -O ${#sources[@]} sources < <(find "$folder" -name '*.[ch]' | sort)
done
[ ${#sources[@]} -gt 0 ] || die 2 "no sources in $PWD"

edges=$(mktemp)
trap 'rm -f "$edges"' EXIT
failed=0

# The table and the includes, file by file. Writes "module module" for each include into `edges`.
awk -v edges="$edges" '
    function complain(text) { print text; bad = 1 }
    function exists(path) { return path in present }
    # src/stun.c and include/sallyport/stun.h are module stun, server/turn.c is server/turn.
    function module(path) {
        sub(/\.[ch]$/, "", path)
        sub(/^(src|include\/sallyport)\//, "", path)
        return path
    }
    # src/tunnel_impl.h, what tunnel shares with its helpers alone, stands beside tunnel; that tunnel
    # includes it, and it tunnel, is no ring but one module in two headers.
    function base(name) { sub(/_impl$/, "", name); return name }
    function known(name) { return base(name) in layer }
    function folder(path) { sub(/\/[^\/]*$/, "", path); return path }

    BEGIN { for (i = 2; i < ARGC; i++) present[ARGV[i]] }

    FILENAME == ARGV[1] {
        if (/^[ \t]*(#|$)/) next
        if (!/^[0-9]+ [^:]+:/) { complain(FILENAME ":" FNR ": not \"NUMBER NAME: MODULE...\""); next }
        modules = $0
        sub(/^[^:]*:/, "", modules)
        n = split(modules, list, " ")
        for (i = 1; i <= n; i++) {
            if (list[i] in layer) complain(FILENAME ":" FNR ": " list[i] " stands in the table twice")
            layer[list[i]] = $1 + 0
        }
        next
    }

    FNR == 1 {
        from = module(FILENAME)
        if (!known(from) && !(from in told)) complain(FILENAME ": module " from " is not in scripts/layers.txt")
        told[from]
    }

    /^[ \t]*#[ \t]*include[ \t]*"/ {
        where = FILENAME ":" FNR ": "
        split($0, part, "\"")
        header = part[2]
        if (header ~ /^sallyport\/[^\/]+$/) path = "include/" header
        else path = folder(FILENAME) "/" header
        if (header ~ /\// && header !~ /^sallyport\/[^\/]+$/) {
            complain(where "\"" header "\": a path; only \"sallyport/...\" and headers of the same folder are allowed")
            next
        }
        if (!exists(path)) {
            hint = ""
            split("client server src", other, " ")
            for (i in other) if (exists(other[i] "/" header)) hint = "; that header belongs to " other[i] "/"
            complain(where "\"" header "\": no file " path hint)
            next
        }
        to = module(path)
        if (to == from || to == from "_impl") next
        print from, to > edges
        if (known(from) && known(to) && layer[base(to)] > layer[base(from)])
            complain(where from " (layer " layer[base(from)] ") includes " to " (layer " layer[base(to)] ")")
    }

    END { exit bad }
' scripts/layers.txt "${sources[@]}" || failed=1

if ! loop=$(tsort "$edges" 2>&1 >/dev/null); then
    echo "a ring of includes: $(sed -n 's/^tsort: \([^ ]*\)$/\1/p' <<<"$loop" | tr '\n' ' ')"
    failed=1
fi

# Where wolfSSL's headers are, if ours is built; the packaged one's are found anyway.
flags=(-std=gnu11 -D_GNU_SOURCE -DWOLFSSL_OPTIONS_IGNORE_SYS -Wall -Wextra -Werror -Iinclude)
! wolfssl=$("$root/scripts/deps.sh" --prefix) || flags+=(-isystem "$wolfssl/include")
for header in "${sources[@]}"; do
    case $header in
        *.h)
            "${CC:-cc}" "${flags[@]}" -fsyntax-only -x c "$header" || {
                echo "$header: does not compile alone"
                failed=1
            }
            ;;
    esac
done

[ $failed = 1 ] || echo "${#sources[@]} files keep to scripts/layers.txt"
exit $failed
