#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# image-root.sh FOLDER
#
# Builds sallyport, and lays out in FOLDER the file system of its container image: the programs, the
# shared libraries that they are linked with, the certificates that Debian trusts, and the names of
# root and of the user that they run as. The Dockerfile's build stage runs it.
#
# Which libraries these are is asked of the programs, so a new dependency comes along by itself. For
# each, its Debian package is noted as scanners for known flaws look for it (var/lib/dpkg/status.d),
# and its licence.
#
# The programs may bind ports below 1024 without being root: by a capability of their files, since
# not every engine lets containers have these ports (docker: not with --network host).

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1-} in
    --help)
        usage
        exit 0
        ;;
    "" | -*) die 2 "wants one argument, a folder" ;;
esac
image=$(realpath -m "$1")
[ ! -e "$image" ] || die 2 "$image exists: a new folder is wanted"
user=65532 # the Dockerfile names it, and so do the images of others that run as nobody in particular

# add FILE...: copies files to where they are on this system; of a link, what it points to.
add() {
    local file
    for file; do
        install -D -m "$(stat -L -c %a "$file")" "$file" "$image$file"
    done
}

# /lib64/x is /usr/lib64/x, whatever name the linker took it by.
merged() {
    case $1 in
        /usr/*) echo "$1" ;;
        *) echo "/usr$1" ;;
    esac
}

# The shared libraries of both programs, the program loader among them; one path a line.
libraries() {
    ldd "$image"/usr/bin/sallyport-* | grep -o '/[^ ]*\.so[^ ]*' | sort -u
}

# note_package FILE: the package that FILE came in.
note_package() {
    local package
    # By the one or by the other name: some packages still have their libraries in /lib.
    package=$({ dpkg-query -S "$1" || dpkg-query -S "$(merged "$1")"; } 2>/dev/null | cut -d : -f 1)
    [ -n "$package" ] || die 1 "no Debian package holds $1"
    mkdir -p "$image/var/lib/dpkg/status.d"
    dpkg-query -s "$package" >"$image/var/lib/dpkg/status.d/$package"
    add "/usr/share/doc/$package/copyright"
}

"$root/scripts/build.sh"
need_packages libcap2-bin ca-certificates
mkdir -p "$image"/{etc,usr/bin,usr/lib,usr/lib64}
ln -s usr/lib usr/lib64 "$image/"
for program in sallyport-server sallyport-client; do
    install --strip -m 755 "$root/build/$program" "$image/usr/bin/"
done
libraries | while read -r library; do
    install -D -m 755 "$library" "$image$(merged "$library")"
    note_package "$library"
done
add /etc/ssl/certs/ca-certificates.crt /etc/os-release
note_package /usr/sbin/update-ca-certificates
cp --preserve=mode "$("$root/scripts/deps.sh" --prefix)/RECIPE" "$image/usr/share/doc/wolfssl-recipe"
install -D -m 644 "$root/LICENSE" "$image/usr/share/doc/sallyport/copyright"
printf '%s\n' root:x:0:0:root:/:/sbin/nologin \
    "sallyport:x:$user:$user:sallyport:/:/sbin/nologin" >"$image/etc/passwd"
printf '%s\n' root:x:0: "sallyport:x:$user:" >"$image/etc/group"
# "p", not "ep": they start also where the capability is taken away (--cap-drop ALL).
setcap cap_net_bind_service=p "$image/usr/bin/sallyport-server"
setcap cap_net_bind_service=p "$image/usr/bin/sallyport-client"
