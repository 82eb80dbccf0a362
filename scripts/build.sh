#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# build.sh [--preset NAME] [--tests] [-- CMAKE-ARGUMENT...]
#
# Builds sallyport: installs the packages that are missing (as root; otherwise it says which), has
# deps.sh build wolfSSL once, and leaves build/sallyport-server and build/sallyport-client. It can be
# run again at any time, from any folder; it downloads only what is not there yet.
#
#   --preset NAME   one of those below; all but release are built in build/NAME, tests included
#   --tests         builds release's tests too; warnings are errors from then on in that folder
#   --help          this text
#
# A preset is a file scripts/presets/NAME.cmake of initial CMake variables. By hand:
#
#     cmake -C scripts/presets/asan.cmake -S . -B build/asan && cmake --build build/asan
#
# CMake arguments stay in force in that folder, e.g. -- -DSALLYPORT_WOLFSSL=system for the packaged
# wolfSSL instead of ours.
#
# Presets:

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Each preset's name with the line that says what it is for.
list_presets() {
    local file
    for file in "$root"/scripts/presets/*.cmake; do
        printf '  %-8s %s\n' "$(basename "$file" .cmake)" "$(sed -n '2s/^# //p' "$file")"
    done
}

preset=release
targets=(programs)
arguments=()
while [ $# -gt 0 ]; do
    case $1 in
        --preset)
            preset=${2-}
            [ -f "$root/scripts/presets/$preset.cmake" ] ||
                die 2 "unknown preset '$preset'; there are:$(printf '\n%s' "$(list_presets)")"
            shift
            ;;
        --tests) arguments+=(-DSALLYPORT_TESTS=ON -DSALLYPORT_WERROR=ON) ;;
        --help)
            usage
            list_presets
            exit 0
            ;;
        --)
            shift
            arguments+=("$@")
            break
            ;;
        *) die 2 "unknown option $1: allowed are --preset, --tests, --help, --" ;;
    esac
    shift
done

folder=build
if [ "$preset" != release ]; then
    folder=build/$preset
    arguments+=(-DSALLYPORT_TESTS=ON)
fi
packages=(make gcc libc6-dev pkg-config libev-dev libhttp-parser-dev libjansson-dev libc-ares-dev
    libseccomp-dev)
case " ${arguments[*]} " in
    *" -DSALLYPORT_TESTS=ON "*)
        packages+=(check)
        targets=(all)
        ;;
esac
# Which wolfSSL: as the arguments say, or those of an earlier run for this folder.
wolfssl=$(sed -n 's/^SALLYPORT_WOLFSSL:[A-Z]*=//p' "$root/$folder/CMakeCache.txt" 2>/dev/null || true)
for argument in "${arguments[@]}"; do
    case $argument in -DSALLYPORT_WOLFSSL=*) wolfssl=${argument#*=} ;; esac
done
case $wolfssl in
    "") "$root/scripts/deps.sh" >/dev/null ;;
    system) packages+=(libwolfssl-dev) ;;
esac
[ "$preset" != fuzz ] || packages+=(clang libclang-rt-dev)
need_commands cmake=cmake
need_packages "${packages[@]}"

cd "$root"
cmake --log-level=NOTICE -C "scripts/presets/$preset.cmake" -S . -B "$folder" "${arguments[@]}" >/dev/null
cmake --build "$folder" -j"$(nproc)" --target "${targets[@]}"
for program in sallyport-server sallyport-client; do
    [ ! -x "$folder/$program" ] || say "built $folder/$program"
done
