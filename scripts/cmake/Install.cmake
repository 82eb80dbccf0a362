# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `cmake --install` puts where: programs, manual pages, bash completion, and what systemd wants to
# know. The programs print pages and completion themselves, from their tables of options. The prefix
# is /usr/local unless --prefix says otherwise; systemd looks there as well as under /usr.

include(GNUInstallDirs)

# sallyport_install(PROGRAM SECTION)
function(sallyport_install program section)
    set(page ${CMAKE_BINARY_DIR}/${program}.${section})
    set(completion ${CMAKE_BINARY_DIR}/${program}.bash)
    add_custom_command(OUTPUT ${page} ${completion}
        COMMAND ${program} manual > ${page}
        COMMAND ${program} completion > ${completion}
        DEPENDS ${program}
        COMMENT "${program}: manual page and completion" VERBATIM)
    add_custom_target(${program}-pages ALL DEPENDS ${page} ${completion})
    add_dependencies(programs ${program}-pages)
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME ${program})
endfunction()

# What the gateway's unit calls; systemd looks for it in sbin by itself.
install(PROGRAMS scripts/local-address.sh DESTINATION ${CMAKE_INSTALL_SBINDIR} RENAME sallyport-local-address)
install(FILES server/sallyport-server.service client/sallyport-client.service
    DESTINATION lib/systemd/system)
install(FILES server/sallyport.sysusers DESTINATION lib/sysusers.d RENAME sallyport.conf)
