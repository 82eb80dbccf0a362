#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-files.sh
#
# Does each source file open with its SPDX line, and does the top level hold only what belongs there?

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
failed=0

while IFS= read -r -d '' file; do
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' || {
        echo "$file: no SPDX line at its head"
        failed=1
    }
done < <(tree_files '*.c' '*.h' '*.sh' '*.py' '*.js' '*.mjs' '*.html' '*.cmake' CMakeLists.txt \
    Dockerfile run)

for entry in *; do
    case $entry in
        src | include | client | server | tests | scripts) ;;
        CMakeLists.txt | Dockerfile | README.md | LICENSE) ;;
        build) ;; # what scripts/build.sh makes; git ignores it
        *)
            echo "$entry: does not belong in the top level"
            failed=1
            ;;
    esac
done
exit $failed
