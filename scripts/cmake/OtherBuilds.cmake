# SPDX-License-Identifier: GPL-2.0-or-later
#
# Read by ctest, not by cmake: with SALLYPORT_ALSO_TEST=FOLDER... in the environment a run of this
# build's tests takes in the unit tests, the simulation, the fuzz corpora and the end-to-end tests of
# those other builds (absolute paths). So one run tests several builds, with one count and one
# summary.

string(REPLACE " " ";" folders "$ENV{SALLYPORT_ALSO_TEST}")
foreach(folder IN LISTS folders)
    subdirs("${folder}/tests" "${folder}/tests/e2e")
endforeach()
