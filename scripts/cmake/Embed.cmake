# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes C of files that are to be part of a program:
#
#     cmake -D OUT=x.c -D HEADER=script.h -D "FILES=name=path;…" -P Embed.cmake
#
# Each becomes `const unsigned char NAME[]` and `const size_t NAME_len`, as HEADER declares them.

set(text "/* Made by scripts/cmake/Embed.cmake. */\n#include \"${HEADER}\"\n")
foreach(entry IN LISTS FILES)
    string(REGEX MATCH "^([^=]+)=(.+)$" _ "${entry}")
    set(name ${CMAKE_MATCH_1})
    file(READ "${CMAKE_MATCH_2}" bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND text "\nconst unsigned char ${name}[] = {${bytes}};\nconst size_t ${name}_len = sizeof ${name};\n")
endforeach()
file(WRITE "${OUT}" "${text}")
