# SPDX-License-Identifier: GPL-2.0-or-later
# What one installs: optimized, hardened.
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
