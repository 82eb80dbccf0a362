# SPDX-License-Identifier: GPL-2.0-or-later
# The fuzz targets as libFuzzer programs, with clang, under the sanitizers of asan.
# scripts/fuzz.sh runs them.
set(CMAKE_C_COMPILER clang CACHE STRING "")
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g" CACHE STRING "")
set(SALLYPORT_SANITIZE address,undefined CACHE STRING "")
set(SALLYPORT_FUZZ ON CACHE BOOL "")
set(SALLYPORT_TESTS ON CACHE BOOL "")
set(SALLYPORT_WERROR ON CACHE BOOL "")
set(SALLYPORT_TEST_PREFIX fuzz. CACHE STRING "")
