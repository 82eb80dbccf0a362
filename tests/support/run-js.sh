#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run-js.sh: the tests of sallyport.js, by node's own test runner.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../unit/js"
command -v node >/dev/null || {
    echo "skipped: needs node"
    exit 77
}
exec node --test .
