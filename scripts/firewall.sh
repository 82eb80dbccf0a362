#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Puts a network namespace, or this host, behind the kind of firewall that sallyport is made for, and
# counts what it refused and what crossed it all the same.
#
# The rules live in chains of our own, two that refuse and one that counts:
#
#   filter    SALLYPORT-OUT     from OUTPUT and FORWARD    what may leave, or be routed through
#   filter    SALLYPORT-IN      from INPUT                 UDP coming in
#   mangle    SALLYPORT-PASSED  from POSTROUTING           counts what left or was routed through
#   security  SALLYPORT-PASSED  from INPUT                 counts what came in
#
# Both counting hooks lie behind the filter table on a packet's way. They see whatever got through, by our
# rules or past them, so "no UDP crossed" is a count and not a belief. Our chains only ever take away:
# what they let by (RETURN) still meets whatever rules the host has of its own.
#
# Established UDP is not let by as such: a flow from before the wall went up would live on. For the same
# reason what leaves by TCP is judged by its port in every packet, and only the answering direction of a
# connection by connection tracking.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'EOF'
Usage: firewall.sh open|block-udp|https-only (--netns NAME | --host) [--resolver ADDR]... [--reject]
       firewall.sh status (--netns NAME | --host) [--json]
       firewall.sh clear  (--netns NAME | --host)

  open         refuses nothing, counts everything
  block-udp    refuses all UDP, but DNS to and from the resolver
  https-only   lets out TCP to port 443 and DNS to the resolver, and nothing else
  status       what is in force, with the packets and bytes that each rule met
  clear        takes away all of this and nothing else

  --netns NAME     a network namespace, as 'ip netns list' names it
  --host           this host; connections into it, like your ssh session, go on
  --resolver ADDR  may be asked by DNS (port 53, UDP and TCP), IPv4 or IPv6, repeatable; without it
                   there is no DNS at all
  --reject         answer what is refused with ICMP; the default is silence, as most firewalls do
  --json           one line of JSON

Loopback is always free. A profile that is put in force again starts its counters at 0.
Exit status: 0 done, 1 the system refused, 2 wrong use.
EOF
}

wrong() {
    die 2 "$1 (firewall.sh --help says more)"
}

# ---- where -------------------------------------------------------------------------------------------

in_target() {
    if [ "$netns" ]; then
        ip netns exec "$netns" "$@"
    else
        "$@"
    fi
}

target_name() {
    if [ "$netns" ]; then
        echo "namespace $netns"
    else
        echo "this host"
    fi
}

# Either of the two back ends may be the one that this kernel has, or that holds the host's own rules.
choose_iptables() {
    local kind
    for kind in "" -nft -legacy; do
        if command -v "iptables$kind" >/dev/null && in_target "iptables$kind" -w -S OUTPUT >/dev/null 2>&1; then
            iptables_kind=$kind
            return
        fi
    done
    die 1 "iptables does not work in $(target_name): $(in_target iptables -w -S OUTPUT 2>&1 >/dev/null | head -n 1)"
}

# The protocol families that the target has: "4", or "4 6".
choose_families() {
    families=4
    if in_target test -e /proc/net/if_inet6; then
        families="4 6"
    fi
}

tables() {
    local family=$1
    shift
    if [ "$family" = 6 ]; then
        in_target "ip6tables$iptables_kind" -w "$@"
    else
        in_target "iptables$iptables_kind" -w "$@"
    fi
}

restore() {
    local program=iptables
    [ "$1" = 6 ] && program=ip6tables
    in_target "$program$iptables_kind-restore" -w --noflush
}

save() {
    local program=iptables
    [ "$1" = 6 ] && program=ip6tables
    in_target "$program$iptables_kind-save" -c -t "$2"
}

# ---- the rules ---------------------------------------------------------------------------------------
#
# Every rule has a comment, "word: text". The words are what status goes by: pass, refused, crossed,
# resolver (DNS that crossed, as it may) and profile.

family_of() {
    case $1 in
    *:*) echo 6 ;;
    *) echo 4 ;;
    esac
}

# DNS to and from the resolvers of this family: the same matches let it by and tell it apart when counted.
dns_rules() {
    local family=$1 chain=$2 word=$3 addr
    local answer='-m conntrack --ctstate ESTABLISHED --ctdir REPLY'
    for addr in "${resolvers[@]}"; do
        [ "$(family_of "$addr")" = "$family" ] || continue
        echo "-A $chain -d $addr -p udp --dport 53 -m comment --comment \"$word: UDP to the resolver\" -j RETURN"
        echo "-A $chain -s $addr -p udp --sport 53 $answer -m comment --comment \"$word: UDP from the resolver\" -j RETURN"
    done
}

# For https-only, where TCP needs leave as well.
dns_tcp_rules() {
    local family=$1 addr
    for addr in "${resolvers[@]}"; do
        [ "$(family_of "$addr")" = "$family" ] || continue
        echo "-A SALLYPORT-OUT -d $addr -p tcp --dport 53 -m comment --comment \"pass: TCP to the resolver\" -j RETURN"
    done
}

# What IPv6 cannot live without on a link (RFC 4890 4.4.1): neighbour discovery, and the reports by which a
# snooping switch learns where to send it.
neighbour_rules() {
    local type
    for type in 133 134 135 136 143; do
        echo "-A SALLYPORT-OUT -p ipv6-icmp --icmpv6-type $type -m comment --comment \"pass: neighbour discovery $type\" -j RETURN"
    done
}

https_rules() {
    local family=$1 icmp=icmp
    echo '-A SALLYPORT-OUT -p tcp --dport 443 -m comment --comment "pass: TCP to 443" -j RETURN'
    dns_tcp_rules "$family"
    echo '-A SALLYPORT-OUT -p tcp -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m comment --comment "pass: TCP that answers" -j RETURN'
    if [ "$family" = 6 ]; then
        icmp=ipv6-icmp
        neighbour_rules
    fi
    echo "-A SALLYPORT-OUT -p $icmp -m conntrack --ctstate RELATED -m comment --comment \"pass: errors about these\" -j RETURN"
    echo "-A SALLYPORT-OUT -m comment --comment \"refused: all else\" -j $verdict"
}

filter_rules() {
    local family=$1
    echo '-A SALLYPORT-OUT -o lo -m comment --comment "pass: loopback" -j RETURN'
    dns_rules "$family" SALLYPORT-OUT pass
    echo "-A SALLYPORT-OUT -p udp -m comment --comment \"refused: UDP\" -j $verdict"
    if [ "$profile" = https-only ]; then
        https_rules "$family"
    fi
    echo '-A SALLYPORT-IN -i lo -m comment --comment "pass: loopback" -j RETURN'
    dns_rules "$family" SALLYPORT-IN pass
    echo "-A SALLYPORT-IN -p udp -m comment --comment \"refused: UDP coming in\" -j $verdict"
}

counting_rules() {
    local family=$1 loopback=$2
    echo "-A SALLYPORT-PASSED $loopback -m comment --comment \"pass: loopback\" -j RETURN"
    echo "-A SALLYPORT-PASSED -m comment --comment \"profile: $profile ${verdict,,}\""
    dns_rules "$family" SALLYPORT-PASSED resolver
    echo '-A SALLYPORT-PASSED -p udp -m comment --comment "crossed: UDP" -j RETURN'
    echo '-A SALLYPORT-PASSED -p tcp --dport 443 -m comment --comment "crossed: TCP to 443" -j RETURN'
    echo '-A SALLYPORT-PASSED -p tcp --sport 443 -m comment --comment "crossed: TCP from 443" -j RETURN'
    echo '-A SALLYPORT-PASSED -m comment --comment "crossed: all else" -j RETURN'
}

# Puts a jump first in a built-in chain, within the same transaction as the rules that it leads to.
hook() {
    local family=$1 table=$2 from=$3 to=$4
    if tables "$family" -t "$table" -C "$from" -j "$to" 2>/dev/null; then
        echo "-D $from -j $to"
    fi
    echo "-I $from 1 -j $to"
}

all_rules() {
    local family=$1
    echo '*mangle'
    echo ':SALLYPORT-PASSED - [0:0]'
    counting_rules "$family" '-o lo'
    hook "$family" mangle POSTROUTING SALLYPORT-PASSED
    echo COMMIT
    echo '*security'
    echo ':SALLYPORT-PASSED - [0:0]'
    counting_rules "$family" '-i lo'
    hook "$family" security INPUT SALLYPORT-PASSED
    echo COMMIT
    [ "$profile" != open ] || return 0
    echo '*filter'
    echo ':SALLYPORT-OUT - [0:0]'
    echo ':SALLYPORT-IN - [0:0]'
    filter_rules "$family"
    hook "$family" filter OUTPUT SALLYPORT-OUT
    hook "$family" filter FORWARD SALLYPORT-OUT
    hook "$family" filter INPUT SALLYPORT-IN
    echo COMMIT
}

# Each table is one transaction: there is no moment with half of the rules. The counters go in first, so
# that nothing gets through uncounted. The text is complete before the restoring begins: that one holds a
# lock which looking up the hooks wants as well.
apply_family() {
    local family=$1 rules
    rules=$(all_rules "$family")
    restore "$family" <<<"$rules"
}

drop_chain() {
    local family=$1 table=$2 chain=$3 from
    shift 3
    tables "$family" -t "$table" -S "$chain" >/dev/null 2>&1 || return 0
    for from; do
        while tables "$family" -t "$table" -C "$from" -j "$chain" 2>/dev/null; do
            tables "$family" -t "$table" -D "$from" -j "$chain"
        done
    done
    tables "$family" -t "$table" -F "$chain"
    tables "$family" -t "$table" -X "$chain"
}

drop_filter() {
    drop_chain "$1" filter SALLYPORT-OUT OUTPUT FORWARD
    drop_chain "$1" filter SALLYPORT-IN INPUT
}

# ---- commands ----------------------------------------------------------------------------------------

warn_host() {
    [ -z "$netns" ] || return 0
    case $profile in
    block-udp) say "note: from now on this host sends and gets no UDP: no DHCP, no NTP, no mosh; ssh is as before" ;;
    https-only) say "note: from now on this host reaches port 443 only: ssh into it goes on, ssh out of it does not" ;;
    esac
    if [ "$profile" != open ] && [ ${#resolvers[@]} = 0 ]; then
        say "note: no --resolver, so no names either"
    fi
    [ "$profile" = open ] || say "note: 'firewall.sh clear --host' ends it"
}

command_apply() {
    local family
    warn_host
    for family in $families; do
        if [ "$profile" = open ]; then
            drop_filter "$family"
        fi
        if ! apply_family "$family"; then
            command_clear
            die 1 "IPv$family: iptables refused the rules, so there is no firewall in $(target_name) now"
        fi
    done
}

command_clear() {
    local family
    for family in $families; do
        drop_filter "$family"
        drop_chain "$family" mangle SALLYPORT-PASSED POSTROUTING
        drop_chain "$family" security SALLYPORT-PASSED INPUT
    done
}

# One line a rule: family, table, chain, packets, bytes, word, text; tabs between them.
our_rules() {
    local family table
    for family in $families; do
        for table in filter mangle security; do
            save "$family" "$table" | awk -v family="$family" -v table="$table" '
                $2 == "-A" && $3 ~ /^SALLYPORT-/ && match($0, /--comment "[^"]*"/) {
                    comment = substr($0, RSTART + 11, RLENGTH - 12)
                    word = comment; sub(/:.*/, "", word)
                    text = comment; sub(/^[^:]*: /, "", text)
                    split(substr($1, 2, length($1) - 2), count, ":")
                    if (word == "resolver")
                        text = text " " $5
                    printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", family, table, $3, count[1], count[2], word, text
                }'
        done
    done
}

# The sums that tests ask for, then every rule. One program for both forms, so that they cannot differ.
command_status() {
    our_rules | awk -F '\t' -v json="$json" -v target="$(target_name)" '
        function add(name) {
            packets[name] += $4
            bytes[name] += $5
        }
        function crossed(text) {
            if (text == "UDP") return "udp_crossed"
            if (text == "TCP to 443") return "tcp443_out"
            if (text == "TCP from 443") return "tcp443_in"
            return "other_crossed"
        }
        function note_resolver(text) {
            sub(/.* /, "", text)
            sub(/\/(32|128)$/, "", text)
            if (!(text in known)) resolver[++resolvers] = text
            known[text] = 1
        }
        function sum_json(name) {
            return sprintf("\"%s\":{\"packets\":%.0f,\"bytes\":%.0f}", name, packets[name], bytes[name])
        }
        function sum_line(name, label) {
            printf "  %-30s %10.0f packets %14.0f bytes\n", label, packets[name], bytes[name]
        }
        function print_json(    i) {
            printf "{\"profile\":\"%s\",\"target\":\"%s\",\"refusal\":\"%s\",\"resolvers\":[", profile, target, refusal
            for (i = 1; i <= resolvers; i++) printf "%s\"%s\"", (i > 1 ? "," : ""), resolver[i]
            printf "],%s,%s", sum_json("udp_refused"), sum_json("udp_crossed")
            printf ",%s,%s", sum_json("udp_resolver"), sum_json("tcp443_out")
            printf ",%s,%s", sum_json("tcp443_in"), sum_json("other_refused")
            printf ",%s,\"rules\":[", sum_json("other_crossed")
            for (i = 1; i <= rules; i++) printf "%s%s", (i > 1 ? "," : ""), object[i]
            print "]}"
        }
        function print_text(    i) {
            printf "%s for %s; what is refused: %s; resolver:", profile, target, refusal
            for (i = 1; i <= resolvers; i++) printf " %s", resolver[i]
            print resolvers ? "\n" : " none\n"
            sum_line("udp_refused", "UDP refused")
            sum_line("udp_crossed", "UDP crossed")
            sum_line("udp_resolver", "UDP to and from the resolver")
            sum_line("tcp443_out", "TCP to port 443 crossed")
            sum_line("tcp443_in", "TCP from port 443 crossed")
            sum_line("other_crossed", "all else crossed")
            sum_line("other_refused", "all else refused")
            printf "\n        %-8s  %-16s  %10s  %12s  rule\n", "table", "chain", "packets", "bytes"
            for (i = 1; i <= rules; i++) print line[i]
        }
        BEGIN {
            profile = "none"
            refusal = "nothing"
        }
        $6 == "profile" {
            split($7, said, " ")
            profile = said[1]
            if (profile != "open") refusal = said[2]
            next
        }
        $6 == "resolver" { add("udp_resolver"); note_resolver($7) }
        $6 == "refused" { add($7 ~ /^UDP/ ? "udp_refused" : "other_refused") }
        $6 == "crossed" { add(crossed($7)) }
        {
            line[++rules] = sprintf("  IPv%s  %-8s  %-16s  %10s  %12s  %s: %s", $1, $2, $3, $4, $5, $6, $7)
            object[rules] = sprintf("{\"family\":%s,\"table\":\"%s\",\"chain\":\"%s\"", $1, $2, $3) \
                sprintf(",\"packets\":%s,\"bytes\":%s,\"rule\":\"%s: %s\"}", $4, $5, $6, $7)
        }
        END {
            if (json) print_json()
            else if (rules) print_text()
            else printf "none: there is no firewall of this script for %s\n", target
        }'
}

# ---- what was asked ----------------------------------------------------------------------------------

check_resolver() {
    if [[ $1 =~ ^([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)$ ]]; then
        local part
        for part in "${BASH_REMATCH[@]:1}"; do
            if [[ ! $part =~ ^(0|[1-9][0-9]{0,2})$ || $part -gt 255 ]]; then
                wrong "--resolver $1: not an address"
            fi
        done
    elif [[ ! $1 =~ ^[0-9a-fA-F:.]+$ || $1 != *:* ]] || ! ip -6 address show to "$1" >/dev/null 2>&1; then
        wrong "--resolver $1: not an address (IPv4 or IPv6, no name)"
    fi
}

netns="" host="" json="" verdict=DROP profile="" resolvers=() iptables_kind="" families=""

case ${1:-} in
open | block-udp | https-only)
    command=apply
    profile=$1
    ;;
status | clear) command=$1 ;;
-h | --help)
    usage
    exit 0
    ;;
"") wrong "say what: open, block-udp, https-only, status or clear" ;;
*) wrong "$1: not one of open, block-udp, https-only, status, clear" ;;
esac
shift

while [ $# -gt 0 ]; do
    case $1 in
    --netns | --resolver)
        [ "${2:-}" ] || wrong "$1 wants a value"
        if [ "$1" = --netns ]; then
            [ -z "$netns" ] || wrong "--netns twice"
            netns=$2
        else
            [ "$command" = apply ] || wrong "--resolver goes with a profile, not with $command"
            check_resolver "$2"
            resolvers+=("$2")
        fi
        shift
        ;;
    --host) host=yes ;;
    --reject)
        [ "$command" = apply ] || wrong "--reject goes with a profile, not with $command"
        verdict=REJECT
        ;;
    --json)
        [ "$command" = status ] || wrong "--json goes with status, not with $command"
        json=yes
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) wrong "$1: no such option" ;;
    esac
    shift
done

if [ "$netns" ] && [ "$host" ]; then
    wrong "--netns and --host exclude each other"
elif [ -z "$netns" ] && [ -z "$host" ]; then
    wrong "say where: --netns NAME or --host"
elif [[ $netns == */* || $netns == .* ]]; then
    wrong "--netns $netns: not a name"
fi
[ "$(id -u)" = 0 ] || die 1 "needs root, to change a firewall: sudo"
if [ "$netns" ] && [ ! -e "/run/netns/$netns" ]; then
    wrong "--netns $netns: there is no such namespace"
fi
need_commands iptables=iptables ip=iproute2

choose_iptables
choose_families
"command_$command"
