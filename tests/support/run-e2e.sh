#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run-e2e.sh SECONDS SCRIPT [ARGUMENT...]
#
# Runs an end-to-end test. One that takes longer gets SIGTERM, so that its traps clean up, and SIGKILL
# 30 seconds later. Exit status 77 means skipped; with REQUIRE_ALL=1 a skipped test is a failed one.

limit=$1
shift
timeout --kill-after=30 "$limit" bash "$@" </dev/null
status=$?
case $status in
    77)
        [ "${REQUIRE_ALL-}" != 1 ] || {
            echo "$1 was skipped (above: why), and REQUIRE_ALL=1 allows no skipped test"
            status=1
        }
        ;;
    124 | 137) echo "$1 took longer than $limit seconds and was ended" ;;
esac
exit $status
