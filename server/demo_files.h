/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The demo page's files, byte for byte as server/demo has them: scripts/cmake/Embed.cmake makes
 * them a part of the program.
 */
#ifndef SALLYPORT_SERVER_DEMO_FILES_H
#define SALLYPORT_SERVER_DEMO_FILES_H

#include <stddef.h>

/* (name, file, type): one each, of server/demo. */
#define SP_DEMO_FILES(X)                                       \
    X(page, "", "text/html; charset=utf-8")                    \
    X(style, "style.css", "text/css; charset=utf-8")           \
    X(icon, "icon.svg", "image/svg+xml")                       \
    X(main, "main.js", "text/javascript; charset=utf-8")       \
    X(room, "room.js", "text/javascript; charset=utf-8")       \
    X(call, "call.js", "text/javascript; charset=utf-8")       \
    X(figures, "figures.js", "text/javascript; charset=utf-8") \
    X(picture, "picture.js", "text/javascript; charset=utf-8") \
    X(chart, "chart.js", "text/javascript; charset=utf-8")

#define SP_DEMO_FILE(name, ...)                  \
    extern const unsigned char sp_demo_##name[]; \
    extern const size_t sp_demo_##name##_len;
SP_DEMO_FILES(SP_DEMO_FILE)

#endif
