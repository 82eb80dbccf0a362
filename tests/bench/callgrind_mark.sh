#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# callgrind_mark.sh PID start|end: from here on count the instructions of this process; write down what they were.
case $2 in
    start) exec callgrind_control -z "$1" >/dev/null ;;
    end) exec callgrind_control -d "$1" >/dev/null ;;
esac
