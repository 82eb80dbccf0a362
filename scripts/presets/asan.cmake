# SPDX-License-Identifier: GPL-2.0-or-later
# AddressSanitizer with its leak check, and UndefinedBehaviorSanitizer.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g" CACHE STRING "")
set(SALLYPORT_SANITIZE address,undefined CACHE STRING "")
set(SALLYPORT_TESTS ON CACHE BOOL "")
set(SALLYPORT_WERROR ON CACHE BOOL "")
set(SALLYPORT_TEST_PREFIX asan. CACHE STRING "")
