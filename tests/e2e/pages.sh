#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the programs tell of themselves: --help, the manual pages, and what bash completes. All come from the
# tables of options; here they are compared with each other and with what was written by hand, and read by those
# they are made for.
# machine: shared
# timeout: 120

set -euo pipefail
# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lab.sh"
programs=${BUILD_DIR:-$root/build}
here=$(mktemp -d "${TMPDIR:-/tmp}/sallyport-test.XXXXXX")
trap 'rm -rf "$here"' EXIT
unset "${!SALLYPORT_@}"

# commands PROGRAM: their names, as the message lists them that an unknown one gets.
commands() {
    "$programs/$1" no-such-command 2>&1 | sed 's/.*there is //; s/ (the default)//; s/,//g'
}

# told PROGRAM COMMAND: the options that --help all lists, one a line.
told() {
    "$programs/$1" "$2" --help all | sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' | sort
}

help_fits_a_screen() {
    local program command
    for program in sallyport-server sallyport-client; do
        for command in $(commands $program); do
            "$programs/$program" "$command" --help >"$here/help" || fail "$program $command --help"
            [ "$(wc -l <"$here/help")" -lt 24 ] || fail "$program $command --help: $(wc -l <"$here/help") lines"
            [ "$(wc -L <"$here/help")" -le 80 ] || fail "$program $command --help is too wide"
            [[ $(head -n 1 "$here/help") == "Usage: $program "*"$command"* ]] || fail "usage of $program $command"
        done
    done
    ok "--help of each command fits a screen"
}

# in_manual PAGE COMMAND: the options that the page gives it, one a line. The first command's stand under
# OPTIONS, with those that all have.
in_manual() {
    awk -v wanted="$2" '
        /^\.Sh / { section = $2; command = "run" }
        /^\.Ss / && section == "COMMANDS" { command = $2 }
        /^\.It Fl / && (section == "OPTIONS" || section == "COMMANDS") && command == wanted {
            gsub(/\\-/, "-", $3); sub(/^-/, "", $3); print $3
        }' "$1" | sort
}

manuals() {
    local program section command
    for program in sallyport-server:8 sallyport-client:1; do
        section=${program#*:}
        program=${program%:*}
        "$programs/$program" manual >"$here/$program.$section" || fail "$program manual"
        mandoc -Tlint "$here/$program.$section" || fail "mandoc finds fault with the page of $program"
        for command in $(commands "$program"); do
            {
                in_manual "$here/$program.$section" "$command"
                if sed -n "/^\.Ss $command\$/,/^\.S/p" "$here/$program.$section" | grep -q "options of run as well"; then
                    in_manual "$here/$program.$section" run
                elif [ "$command" != run ]; then
                    printf 'config\nhelp\nversion\n'
                fi
            } | sort >"$here/in-manual"
            told "$program" "$command" | diff - "$here/in-manual" ||
                fail "the page of $program and the options of $command differ"
        done
    done
    ok "the manual pages have all options and no others, and mandoc finds no fault"
}

# The bounds in the server's manual page: OPTION|DEFAULT|all that is said of it. (--linger is a time, and has its
# place elsewhere.)
bounds_in_manual() {
    awk '
        function row() { if (name != "" && name != "linger") print name "|" preset "|" text; name = text = "" }
        /^\.S/ { row(); bounds = $2 == "\"Bounds\"" }
        !bounds || /^\.(Ss|Bl|El)/ { next }
        { gsub(/\\-/, "-"); gsub(/\\&/, "") }
        /^\.It Fl / { row(); name = substr($3, 2); next }
        /^Default: / { preset = $2; next }
        /^A number from / { next }
        { text = text (text == "" ? "" : " ") $0 }
        END { row() }' "$1" | sort
}

# The same, of the table in a README: what is bounded and why that default are columns of their own there.
bounds_in_readme() {
    awk -F ' *[|] *' '
        /^## / { bounds = $0 == "## Bounds" }
        bounds && $2 ~ /^`--/ {
            gsub(/^`--|`$/, "", $2)
            print $2 "|" $3 "|" toupper(substr($4, 1, 1)) substr($4, 2) ". " $6
        }' "$1" | sort
}

bounds() {
    bounds_in_manual "$here/sallyport-server.8" >"$here/bounds"
    [ "$(wc -l <"$here/bounds")" -ge 10 ] || fail "the manual page has no bounds"
    bounds_in_readme "$root/server/README.md" | diff "$here/bounds" - ||
        fail "the table of bounds in server/README.md is not what the options say"
    ok "server/README.md has all bounds and no others, with their defaults and the reasons"
}

# completes PROGRAM "WORD..." WORD...: what bash offers for the last word of the line are exactly these.
completes() {
    local program=$1 line=$2
    shift 2
    bash -c '
        . "$1"
        read -ra COMP_WORDS <<<"$2"
        [[ $2 != *" " ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        "_${COMP_WORDS[0]//-/_}"
        printf "%s\n" "${COMPREPLY[@]}"' - "$here/$program.bash" "$program $line" | sort >"$here/offered"
    printf '%s\n' "$@" | sort | diff - "$here/offered" || fail "bash completes \"$program $line\" otherwise"
}

completion() {
    local program command options
    for program in sallyport-server sallyport-client; do
        "$programs/$program" completion >"$here/$program.bash" || fail "$program completion"
        shellcheck --shell=bash "$here/$program.bash" || fail "shellcheck finds fault with what $program prints"
        # shellcheck disable=SC2046
        completes $program "" $(commands $program)
        for command in $(commands $program); do
            mapfile -t options < <(told $program "$command" | sed 's/^/--/')
            completes $program "$command -" "${options[@]}"
        done
        completes $program "run --log-level " error warn info debug
        completes $program "--log-level=wa" # the shell has not cut this one
        completes $program "--log-level = wa" warn
        completes $program "--log-level =" error warn info debug
        completes $program "--help " all
        completes $program "run --listen " ""
        completes $program "hea" healthcheck
    done
    completes sallyport-server "--serve t" tunnel turn
    completes sallyport-server "--serve tunnel," tunnel,api tunnel,ice-tcp tunnel,site tunnel,turn
    completes sallyport-server "--serve tunnel,si" tunnel,site
    (
        mkdir "$here/files" && cd "$here/files"
        touch one.pem other.pem
        completes sallyport-server "run --cert o" one.pem other.pem
    )
    ok "bash completes commands, options, values, lists and files"
}

installation() {
    local file
    DESTDIR=$here/root cmake --install "$programs" --prefix /usr >"$here/log" 2>&1 || fail "$(tail -n 5 "$here/log")"
    for file in bin/sallyport-server bin/sallyport-client share/man/man8/sallyport-server.8 \
        share/man/man1/sallyport-client.1 share/bash-completion/completions/sallyport-server \
        share/bash-completion/completions/sallyport-client; do
        [ -s "$here/root/usr/$file" ] || fail "no $file is installed"
    done
    "$here/root/usr/bin/sallyport-server" --version >/dev/null || fail "what is installed does not run"
    cmp "$here/sallyport-client.1" "$here/root/usr/share/man/man1/sallyport-client.1" || fail "another page"
    ok "cmake --install: programs, pages and completion"
}

need_commands mandoc=mandoc shellcheck=shellcheck cmake=cmake
help_fits_a_screen
manuals
bounds
completion
installation
