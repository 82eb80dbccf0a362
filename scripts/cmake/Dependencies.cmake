# SPDX-License-Identifier: GPL-2.0-or-later
#
# sallyport_deps: the libraries that DESIGN.md names, as one target. The linker drops what a program
# does not use.

add_library(sallyport_deps INTERFACE)

# sallyport_dependency(NAME HEADER [PATHS...]): with PATHS only there, otherwise where the system
# keeps its libraries.
function(sallyport_dependency name header package)
    if(ARGN)
        set(where PATHS ${ARGN} NO_DEFAULT_PATH)
    endif()
    # Not cached: a newer library under another path has to be seen at the next configuration.
    find_library(lib NAMES ${name} ${where} PATH_SUFFIXES lib NO_CACHE)
    find_path(inc NAMES ${header} ${where} PATH_SUFFIXES include NO_CACHE)
    if(NOT lib OR NOT inc)
        message(FATAL_ERROR "${name} is missing: scripts/build.sh installs it (package ${package})")
    endif()
    message(STATUS "${name}: ${lib}")
    target_link_libraries(sallyport_deps INTERFACE ${lib})
    if(NOT inc STREQUAL "/usr/include")
        target_include_directories(sallyport_deps SYSTEM INTERFACE ${inc})
    endif()
endfunction()

if(SALLYPORT_WOLFSSL STREQUAL "system")
    set(wolfssl "")
elseif(SALLYPORT_WOLFSSL)
    set(wolfssl ${SALLYPORT_WOLFSSL})
else()
    execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/deps.sh --prefix
        OUTPUT_VARIABLE wolfssl OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "wolfSSL is not built yet: run scripts/deps.sh, "
            "or give -DSALLYPORT_WOLFSSL=system to take the packaged one")
    endif()
endif()

sallyport_dependency(wolfssl wolfssl/options.h libwolfssl-dev ${wolfssl})
target_link_libraries(sallyport_deps INTERFACE m) # for a static wolfSSL
sallyport_dependency(ev ev.h libev-dev)
sallyport_dependency(http_parser http_parser.h libhttp-parser-dev)
sallyport_dependency(jansson jansson.h libjansson-dev)
sallyport_dependency(cares ares.h libc-ares-dev)
sallyport_dependency(seccomp seccomp.h libseccomp-dev)

# wolfSSL's options.h repeats all flags that wolfSSL was compiled with, _FORTIFY_SOURCE among them.
# This keeps those that are the system's to itself.
target_compile_definitions(sallyport_deps INTERFACE WOLFSSL_OPTIONS_IGNORE_SYS)
