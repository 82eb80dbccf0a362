# SPDX-License-Identifier: GPL-2.0-or-later
#
# How all code of the tree is compiled and linked.

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_link_options(-pie)

# Without -DNDEBUG: what a release asserts are contracts between modules, and a relay does better to
# stop than to write past the end of something.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")

# A datagram's way is a chain of short calls between small modules: the programs are optimized as a whole when they are
# linked. The objects hold ordinary code beside that, by which tests link as fast as ever.
set(SALLYPORT_WHOLE_PROGRAM "")
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT SALLYPORT_SANITIZE)
    set(SALLYPORT_WHOLE_PROGRAM -flto=auto -ffat-lto-objects)
endif()

add_compile_definitions(_GNU_SOURCE SALLYPORT_VERSION="${PROJECT_VERSION}")
add_compile_options(
    -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wcast-align -Wconversion)
if(SALLYPORT_WERROR)
    add_compile_options(-Werror)
endif()

add_compile_options(-fstack-protector-strong)
add_link_options(-Wl,-z,relro,-z,now -Wl,--as-needed)

if(SALLYPORT_SANITIZE)
    add_compile_options(-fsanitize=${SALLYPORT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${SALLYPORT_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    # Wants the optimizer, and hides calls from the sanitizers.
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(SALLYPORT_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
