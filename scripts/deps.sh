#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# deps.sh [--prefix | --update | --help]
#
# Builds wolfSSL, once, from Debian's source package: the same version, patches and features as the
# packaged libwolfssl-dev, but with wolfSSL's assembly switched on, which makes AES-GCM some thirty
# times faster, and with a hello like everybody's (wolfssl-hello.patch). Which instructions a processor has is
# found out at run time on x86-64.
# Prints the folder that the library is installed in; a second run finds it there and ends at once.
#
#   --prefix   only print that folder; exit status 1 if the library is not there yet
#   --update   ask Debian for a newer version (a security update), and build that
#
# The folder is $SALLYPORT_CACHE/wolfssl-VERSION-RECIPE; SALLYPORT_CACHE is by default
# ~/.cache/sallyport (by the rules of XDG_CACHE_HOME). The system's apt configuration, package lists
# and caches are left as they are: this script has its own.

set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cache=${SALLYPORT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sallyport}
release=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
log=$cache/wolfssl.log

# The recipe. The first three arguments are debian/rules's own, so that the two builds offer the same
# interface; --with-pic: the static library goes into position independent programs.
arguments=(--enable-distro --enable-pkcs11 --disable-examples --with-pic)
case $(uname -m) in
    x86_64)
        arguments+=(--enable-intelasm --enable-aesni --enable-sp --enable-sp-asm)
        ;;
    aarch64)
        arguments+=(--enable-sp --enable-sp-asm)
        # Unlike the code for x86-64 this does not look before it leaps: where the processor has no
        # AES instructions (some small boards) it would die of an illegal instruction.
        ! grep -qw aes /proc/cpuinfo || arguments+=(--enable-armasm)
        ;;
esac
# Without the compatibility mode of RFC 8446 appendix D.4 old middleboxes see an odd TLS 1.3 hello. The secrets of
# a connection are what tls_record.c goes on with when the handshake is done.
cppflags='-DWOLFSSL_TLS13_MIDDLEBOX_COMPAT -DHAVE_SECRET_CALLBACK'
cflags='-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2'
patch=$root/scripts/wolfssl-hello.patch
# To be counted up when a change of this script that is not in these variables changes its result.
edition=1
recipe=$(printf '%s\n' "${arguments[@]}" "$cppflags" "$cflags" "$release" "$edition" "$(cat "$patch")" |
    sha256sum | cut -c1-12)

# The newest library that this recipe has built, if any.
installed_prefix() {
    local prefix
    prefix=$(printf '%s\n' "$cache"/wolfssl-*-"$recipe" | sort -V | tail -n 1)
    [ -f "$prefix/lib/libwolfssl.a" ] && echo "$prefix"
}

# mirror_of SUITE: where this system itself gets that suite from. A newer Debian: where it gets its own, since
# mirrors have all releases that are looked after.
mirror_of() {
    local own suite uri
    # shellcheck source=/dev/null
    own=$(. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_CODENAME-}") || own=$release
    for suite in "$1" "${1/$release/$own}"; do
        # shellcheck disable=SC2016 # apt-get fills these in
        uri=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' \
            'Created-By: Packages' |
            awk -v suite="$suite" '$1 == suite { print $2; exit }')
        [ -z "$uri" ] || break
    done
    [ -n "$uri" ] || die 2 "apt's sources do not name $1; add it, or take the packaged wolfSSL:" \
        "scripts/build.sh -- -DSALLYPORT_WOLFSSL=system"
    echo "$uri"
}

# A private apt: own sources, lists and caches under $work/apt. The system's apt.conf.d stays in
# force (proxies live there), and its keyring verifies what comes. First argument: the program.
private_apt() {
    "$1" -q -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::Etc::preferences=- -o Dir::Etc::preferencesparts=- \
        -o Dir::State="$work/apt/state" -o Dir::State::status=/var/lib/dpkg/status \
        -o Dir::Cache="$work/apt/cache" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o APT::Sandbox::User=root "${@:2}"
}

prepare_private_apt() {
    mkdir -p "$work"/apt/state/lists/partial "$work"/apt/cache/archives/partial
    local suite uri
    for suite in "$release" "$release-security"; do
        uri=$(mirror_of "$suite")
        echo "deb-src [signed-by=$keyring] $uri $suite main" >>"$work/apt/sources.list"
    done
}

# Sets `version` to the newest in those suites.
find_version() {
    version=$(private_apt apt-cache showsrc wolfssl 2>/dev/null |
        awk '$1 == "Version:" { print $2 }' | sort -V | tail -n 1)
    [ -n "$version" ] || die 1 "Debian's package lists name no source package wolfssl"
}

# step TEXT COMMAND...: says TEXT, runs COMMAND into the log; if it fails, shows the log's end.
# (`set -e` rests while COMMAND runs: functions used here chain their commands with &&.)
step() {
    say "$1"
    shift
    "$@" >>"$log" 2>&1 && return 0
    tail -n 25 "$log" >&2
    die 1 "failed: $*; all of its output is in $log"
}

fetch() {
    cd "$work" &&
        private_apt apt-get --only-source source "wolfssl=$version" &&
        mv wolfssl-*/ source
}

change() {
    patch --directory="$work/source" --strip=1 --fuzz=0 --forward <"$patch"
}

# The library's home is written into its pkg-config file: so the final one is named here, and
# `make install` is sent elsewhere.
configure() {
    cd "$work/source" &&
        ./autogen.sh &&
        ./configure --prefix="$1" --libdir="$1/lib" "${arguments[@]}" \
            CPPFLAGS="$cppflags" CFLAGS="$cflags"
}

compile() {
    make -C "$work/source" -j"$(nproc)" src/libwolfssl.la wolfcrypt/test/testwolfcrypt
}

# wolfSSL's own known answers, on this very processor.
check() {
    cd "$work/source" &&
        ./wolfcrypt/test/testwolfcrypt
}

# Without the shared library, which --enable-distro builds too: -lwolfssl is to mean the static one.
# --enable-distro also leaves options.h to the packager, and __uint128_t out of it; but who includes
# it has to see the types that the library was compiled with.
stage() {
    make -C "$work/source" DESTDIR="$work/stage" install &&
        rm -rf "$work/stage$1"/{bin,share,include/cyassl} "$work/stage$1"/lib/*.{la,so*} &&
        sed '/^#define WOLFSSL_OPTIONS_H$/a\
#ifdef __SIZEOF_INT128__\
#define HAVE___UINT128_T 1\
#endif' "$work/source/wolfssl/options.h" >"$work/stage$1/include/wolfssl/options.h" &&
        cp "$work/source/COPYING" "$work/stage$1/" &&
        printf '%s\n' "wolfssl $version, Debian's source" "${arguments[@]}" "CPPFLAGS=$cppflags" \
            "CFLAGS=$cflags" "${patch##*/}" >"$work/stage$1/RECIPE"
}

# Prints the prefix. Everything happens in a folder beside it; one rename at the end puts it in
# place, so an interrupted run leaves nothing that looks finished.
build() {
    need_packages debian-archive-keyring dpkg-dev patch autoconf automake libtool make gcc libc6-dev
    mkdir -p "$cache" || die 1 "name a folder that can be written as SALLYPORT_CACHE"
    exec 9>"$cache/lock"
    flock -n 9 || {
        say "another run is at work: waiting for it"
        flock 9
        ! installed_prefix || return 0
    }
    rm -rf "$cache"/building.*
    work=$(mktemp -d "$cache/building.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    : >"$log"

    prepare_private_apt
    step "looking for wolfSSL's source in Debian $release" private_apt apt-get update
    find_version
    local prefix=$cache/wolfssl-$version-$recipe
    if [ ! -f "$prefix/lib/libwolfssl.a" ]; then
        step "wolfSSL $version: fetching" fetch
        step "wolfSSL $version: changing its hello" change
        step "wolfSSL $version: configuring" configure "$prefix"
        step "wolfSSL $version: compiling (a minute or two)" compile
        step "wolfSSL $version: checking" check
        step "wolfSSL $version: installing into $prefix" stage "$prefix"
        rm -rf "$prefix"
        mv -T "$work/stage$prefix" "$prefix"
    fi
    echo "$prefix"
}

case ${1-} in
    "") installed_prefix || build ;;
    --prefix) installed_prefix ;;
    --update) build ;;
    --help) usage ;;
    *) die 2 "unknown option $1: allowed are --prefix, --update, --help" ;;
esac
