# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the scripts beside this file share. Source it, don't run it:
#
#     . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#
# It sets `root` (the top of the source tree) and `self` (the running script's name), and defines
# functions; it does nothing else.

# shellcheck disable=SC2034 # for those who source this file
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
self=${0##*/}

# say TEXT...: a line of progress, on standard error: standard output is for results.
say() {
    printf '%s: %s\n' "$self" "$*" >&2
}

# die STATUS TEXT...: 1 where the system refused, 2 where whoever called has to change something.
die() {
    local status=$1
    shift
    say "$*"
    exit "$status"
}

# skip_test TEXT...: ends a test that can't be run here; with REQUIRE_ALL=1 that is a failure.
skip_test() {
    echo "skipped: $*"
    [ "${REQUIRE_ALL-}" = 1 ] || exit 77
    echo "REQUIRE_ALL=1 allows no skipped test"
    exit 1
}

# usage: prints the comment at the head of the running script, from its first blank "#" line on.
usage() {
    sed -n '/^#$/,/^[^#]/{/^[^#]/d;s/^# \{0,1\}//;p;}' "$0" | sed '1d'
}

# missing_packages PACKAGE...: those that are not installed, one a line.
missing_packages() {
    local package
    for package; do
        case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
            installed) ;;
            *) echo "$package" ;;
        esac
    done
}

# need_packages PACKAGE...: installs those Debian packages that are missing, and touches the network
# only if one is. Without root: says what to install, and exits 2. Several at once take turns.
need_packages() {
    local missing
    command -v dpkg-query >/dev/null ||
        die 2 "this is not a Debian system; install the equivalents of: $*"
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] ||
        die 2 "missing packages; as root: apt-get install ${missing[*]}"
    exec 8</var/lib/dpkg
    flock 8
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} = 0 ] || add_packages "${missing[@]}" 8>&-
    exec 8>&-
}

add_packages() {
    say "installing $*"
    install_packages "$@" && return 0
    # A package list that is absent or out of date looks just like this.
    apt_get update || die 1 "apt-get update failed"
    install_packages "$@" || {
        apt_get install "$@" >&2 || true
        die 1 "could not install $*"
    }
}

# need_commands COMMAND=PACKAGE...: as need_packages, but a command from anywhere on PATH will do.
need_commands() {
    local pair packages=()
    for pair; do
        command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}")
    done
    [ ${#packages[@]} -eq 0 ] || need_packages "${packages[@]}"
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 \
        -o Dpkg::Use-Pty=0 --no-install-recommends "$@" </dev/null
}

install_packages() {
    apt_get install "$@" >/dev/null 2>&1
}

# tree_files PATTERN...: the files of the source tree whose names match, each followed by a NUL;
# without what was built or installed into it.
tree_files() {
    local pattern names=()
    for pattern; do
        names+=(-o -name "$pattern")
    done
    find . \( -name .git -o -name node_modules -o -path ./build \) -prune -o \
        -type f \( "${names[@]:1}" \) -print0 | sort -z
}

# need_clang TOOL: clang-format or clang-tidy, of the version by whose ways the tree is written. Others format some
# lines otherwise, and warn of other things.
need_clang() {
    local version=14 found
    need_commands "$1=$1"
    found=$("$1" --version | grep -o 'version [0-9]*' | head -n 1)
    [ "$found" = "version $version" ] || skip_test "needs $1 $version, as Debian 12 has it, and this is $found"
}

# need_browsers PACKAGE...: what the tests with a browser and the demo need: these browsers, and for node,
# which drives them, the modules that tests/e2e/package-lock.json names. Installed beside that file, again
# only when it changes.
need_browsers() {
    local modules=$root/tests/e2e/node_modules
    need_packages "$@" fonts-dejavu-core
    # From anywhere, if it is not too old.
    node -e 'process.exit(process.versions.node.split(".")[0] < 18)' 2>/dev/null || need_packages nodejs
    cmp -s "$root/tests/e2e/package-lock.json" "$modules/.installed-from" && return 0
    need_commands npm=npm
    say "installing the node modules of tests/e2e"
    (cd "$root/tests/e2e" && npm ci --silent --no-audit --no-fund >&2) ||
        die 1 "npm could not install the node modules of tests/e2e"
    cp "$root/tests/e2e/package-lock.json" "$modules/.installed-from"
}
