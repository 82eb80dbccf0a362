/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the target of a request to the path of a page: percent-decoded, and refused where it could
 * mean a file that is nobody's business. Also what a path tells by its ending: the content type.
 * Pure: knows no file system.
 */
#ifndef SALLYPORT_SERVER_SITE_PATH_H
#define SALLYPORT_SERVER_SITE_PATH_H

#include "sallyport/bytes.h"

#define SP_SITE_PATH_MAX    2048 /* bytes, decoded */
#define SP_SITE_SEGMENT_MAX 255  /* what file systems take for a name */

/* "/", "/style.css", "/folder/": begins with "/", holds no NUL, no empty segment and none that
 * begins with a dot, except ".well-known" as the first (RFC 8615). */
struct sp_site_path {
    size_t len;
    char text[SP_SITE_PATH_MAX + 1];
};

/*
 * The path of a target in origin form ("/a?b") or absolute form ("http://host/a?b"); `query` gets
 * what follows it ("?b", or nothing), and borrows from the target. SP_EBADMSG: of another form, a
 * malformed escape or an escaped NUL; SP_ETOOBIG; SP_ENOENT: never there, such as "/a//b", "/..",
 * "/.git/config", an escaped slash, or a name too long.
 */
int sp_site_path_parse(struct sp_span target, struct sp_site_path *out, struct sp_span *query);

/* As it stands in a Location field: percent-encoded. *len is without the NUL that `cap` has to have
 * room for. SP_ETOOBIG. */
int sp_site_path_encode(const struct sp_site_path *path, char *out, size_t cap, size_t *len);

/* Content-Type by the ending of the name; "application/octet-stream" for what is not in the table.
 */
const char *sp_site_path_type(const char *path);

#endif
