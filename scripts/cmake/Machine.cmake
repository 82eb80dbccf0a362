# SPDX-License-Identifier: GPL-2.0-or-later
#
# What of the machine a test takes, for ctest's PROCESSORS; scripts/test.sh gives it MACHINE_ALL to share out (-j).
#
#   MACHINE_SHARE   most tests: so many run at once that there are two more than cores, since many mostly wait
#   MACHINE_QUIET   what measures or depends on time: nothing of the above fits beside it
#   MACHINE_IDLE    what runs by MACHINE_IDLE_RUN: on processors that nobody else wants (SCHED_IDLE), so it fits
#                   beside what wants quiet, two at a time. A ready processor is taken from it at once; only
#                   memory and caches are shared.
#
# A share is more than all that runs idle, or a test would fit beside what wants quiet. With fewer (`ctest -j4`) fewer
# run at once; what wants quiet then has all of it.

execute_process(COMMAND nproc OUTPUT_VARIABLE cores OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(MACHINE_SHARE 3)
math(EXPR MACHINE_QUIET "${MACHINE_SHARE} * (${cores} + 2)")
set(MACHINE_IDLE 1)
set(MACHINE_IDLE_RUN chrt --idle 0)
