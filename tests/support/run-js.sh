#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run-js.sh: the tests of sallyport.js, by node's own test runner.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
cd "$root/tests/unit/js"
command -v node >/dev/null || skip_test "needs node"
exec node --test .
