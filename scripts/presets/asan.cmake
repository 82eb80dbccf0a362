# SPDX-License-Identifier: GPL-2.0-or-later
# AddressSanitizer with its leak check, and UndefinedBehaviorSanitizer.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
# Lines and functions are what reports name; more takes a sixth longer to compile.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g1" CACHE STRING "")
set(SALLYPORT_SANITIZE address,undefined CACHE STRING "")
set(SALLYPORT_TESTS ON CACHE BOOL "")
set(SALLYPORT_WERROR ON CACHE BOOL "")
set(SALLYPORT_TEST_PREFIX asan. CACHE STRING "")
