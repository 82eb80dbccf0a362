/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sallyport.js and its types, byte for byte as client/js has them: scripts/cmake/Embed.cmake makes
 * them a part of the program.
 */
#ifndef SALLYPORT_SERVER_SCRIPT_H
#define SALLYPORT_SERVER_SCRIPT_H

#include <stddef.h>

extern const unsigned char sp_script[];
extern const size_t sp_script_len;
extern const unsigned char sp_script_types[];
extern const size_t sp_script_types_len;

#endif
