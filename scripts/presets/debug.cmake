# SPDX-License-Identifier: GPL-2.0-or-later
# For a debugger: no optimization, all symbols.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3" CACHE STRING "")
set(SALLYPORT_TESTS ON CACHE BOOL "")
set(SALLYPORT_WERROR ON CACHE BOOL "")
set(SALLYPORT_TEST_PREFIX debug. CACHE STRING "")
