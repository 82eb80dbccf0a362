#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test.sh [--preset NAME] [LABEL...] [-- CTEST-ARGUMENT...]
#
# Builds sallyport and its tests, and runs them: one run of ctest, whose summary is the last thing
# said. Installs what the chosen tests need and lack (as root; otherwise it says what that is).
#
#   LABEL           style, unit, sim, fuzz-corpus, e2e; default: all
#   --preset NAME   test that build, e.g. `test.sh --preset tsan unit sim`; without it, the release
#                   build, and unit, sim, fuzz-corpus and, of e2e, what is marked for it once more
#                   in the asan build
#   --asan          the same as --preset asan
#   --help          this text
#
# End-to-end tests want root, and are skipped without it. With REQUIRE_ALL=1 in the environment a
# skipped test is a failed one.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

all_labels=(style unit sim fuzz-corpus e2e)
preset=
labels=()
ctest_arguments=()
while [ $# -gt 0 ]; do
    case $1 in
        --preset)
            [ $# -gt 1 ] || die 2 "--preset wants a name; build.sh --help lists them"
            preset=$2
            shift
            ;;
        --asan) preset=asan ;;
        --help)
            usage
            exit 0
            ;;
        --)
            shift
            ctest_arguments=("$@")
            break
            ;;
        *)
            [[ " ${all_labels[*]} " = *" $1 "* ]] ||
                die 2 "unknown label $1: there are ${all_labels[*]}"
            labels+=("$1")
            ;;
    esac
    shift
done
[ ${#labels[@]} -gt 0 ] || labels=("${all_labels[@]}")

# chosen LABEL...: is one of these to be run?
chosen() {
    local label
    for label; do
        [[ " ${labels[*]} " != *" $label "* ]] || return 0
    done
    return 1
}

if chosen style; then
    need_commands clang-tidy=clang-tidy clang-format=clang-format shellcheck=shellcheck
fi
if chosen unit; then
    need_commands node=nodejs
fi
# Beside the build, which mostly computes.
need_for_e2e() {
    need_packages iproute2 iptables nftables procps tcpdump openssl curl coturn valgrind python3-aioice mandoc shellcheck \
        libndpi-bin tshark systemd buildah mmdebstrap
    need_browsers chromium firefox-esr
}
installing=
if chosen e2e && [ "$(id -u)" = 0 ]; then
    need_for_e2e &
    installing=$!
    trap 'wait "$installing"' EXIT # if the build fails: what apt has begun it shall end
fi

folder=$root/build
unset SALLYPORT_ALSO_TEST
if [ "$preset" ] && [ "$preset" != release ]; then
    "$root/scripts/build.sh" --preset "$preset"
    folder=$root/build/$preset
else
    "$root/scripts/build.sh" --tests
    if [ ! "$preset" ] && chosen unit sim fuzz-corpus e2e; then
        "$root/scripts/build.sh" --preset asan
        export SALLYPORT_ALSO_TEST=$root/build/asan
        ctest_arguments=(-LE '^slow-sanitized$' "${ctest_arguments[@]}")
    fi
fi

trap - EXIT
[ -z "$installing" ] || wait "$installing" || exit

# What there is to share: room for two tests more than there are cores, and for two that run when nobody
# else does (scripts/cmake/Machine.cmake).
exec ctest --test-dir "$folder" --output-on-failure --no-tests=error -j$((3 * ($(nproc) + 2) + 2)) \
    -L "^($(IFS='|' && echo "${labels[*]}"))\$" "${ctest_arguments[@]}"
