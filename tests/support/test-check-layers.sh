#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Can scripts/check-layers.sh fail? A small tree that is right passes; each way of breaking it is
# found, and named.

set -uo pipefail
check=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../scripts" && pwd)/check-layers.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# A tree that keeps all rules, with a private header that its own module includes.
plant() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/{src,include/sallyport,client,server,scripts}
    cd "$tree" || exit 1
    printf '%s\n' '# table' '0 base: low' '1 next: mid mid_part' '2 top: client/gate server/edge' \
        '2 ends: server/worker' >scripts/layers.txt
    echo 'int low(void);' >include/sallyport/low.h
    printf '%s\n' '#include "sallyport/low.h"' 'int mid(void);' >include/sallyport/mid.h
    printf '%s\n' '#include "sallyport/mid.h"' >src/mid_impl.h
    printf '%s\n' '#include "sallyport/mid.h"' '#include "mid_impl.h"' >src/mid.c
    printf '%s\n' '#include "mid_impl.h"' >src/mid_part.c
    printf '%s\n' '#include "sallyport/mid.h"' >client/gate.c
    printf '%s\n' '#include "sallyport/low.h"' >server/edge.h
    printf '%s\n' '#include "edge.h"' >server/worker.h
}

# passes / finds TEXT: what the check has to say about the tree as it is now.
passes() {
    local out
    out=$("$check" "$tree" 2>&1) || {
        printf 'a good tree does not pass:\n%s\n' "$out"
        failed=1
    }
}

finds() {
    local out status
    out=$("$check" "$tree" 2>&1)
    status=$?
    if [ $status -ne 1 ] || ! grep -qF -- "$1" <<<"$out"; then
        printf 'status %s, and not said: %s\n%s\n' $status "$1" "$out"
        failed=1
    fi
    plant
}

plant
passes

echo '#include "sallyport/mid.h"' >src/low.c
finds 'src/low.c:1: low (layer 0) includes mid (layer 1)'

echo '#include "worker.h"' >server/edge.c
finds 'a ring of includes: '

echo '#include "edge.h"' >>client/gate.c
finds 'client/gate.c:2: "edge.h": no file client/edge.h; that header belongs to server/'

echo '#include "../server/edge.h"' >>client/gate.c
finds 'client/gate.c:2: "../server/edge.h": a path'

echo '#include "server/edge.h"' >src/mid.c
finds 'src/mid.c:1: "server/edge.h": a path'

echo '#include "mid_impl.h"' >>include/sallyport/mid.h
finds 'include/sallyport/mid.h:3: "mid_impl.h": no file'

echo '#include "sallyport/lost.h"' >>src/mid.c
finds 'src/mid.c:3: "sallyport/lost.h": no file include/sallyport/lost.h'

echo >src/stray.c
finds 'src/stray.c: module stray is not in scripts/layers.txt'

echo >client/edge.c
finds 'client/edge.c: module client/edge is not in scripts/layers.txt'

echo 'size_t mid_size(void);' >>include/sallyport/mid.h
finds 'include/sallyport/mid.h: does not compile alone'

echo '3 again: low' >>scripts/layers.txt
finds 'scripts/layers.txt:6: low stands in the table twice'

echo 'low' >>scripts/layers.txt
finds 'scripts/layers.txt:6: not "NUMBER NAME: MODULE..."'

passes
exit $failed
