/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folder of --site: finds a page's file in it and opens that, and nothing that lies outside,
 * whatever the path says and wherever links lead. Knows no HTTP beyond what a file tells of itself.
 */
#ifndef SALLYPORT_SERVER_SITE_FILES_H
#define SALLYPORT_SERVER_SITE_FILES_H

#include "site_path.h"
#include "site_select.h"

struct sp_site_files;

struct sp_site_file {
    int fd; /* open for reading; whoever asked closes it. -1: it is a folder, asked for without "/"
             */
    const char *type;
    struct sp_site_version version;
};

#define SP_SITE_FILES_WHY_MAX 256

/*
 * The folder's name is looked up again for each file: another folder may take its place, or a link
 * be set to another one, at any time. While nothing has that name, or what has it can't be entered
 * any more (privileges are given up), the folder from the start counts. SP_EINVAL, with one line in
 * `why`: no folder, or not to be read. SP_ENOMEM.
 */
int sp_site_files_open(const char *dir, struct sp_site_files **out,
                       char why[static SP_SITE_FILES_WHY_MAX]);
void sp_site_files_close(struct sp_site_files *f); /* NULL is fine */

/*
 * What a path stands for: a file, or that of "index.html" for a folder with "/". Symbolic links
 * count when they are relative and lead down from where they are. SP_ENOENT: nothing there, or no
 * ordinary file; SP_EDENIED: there, but not for us to read; SP_EFULL: the system is out of
 * descriptors or memory. Any thread may ask.
 */
int sp_site_files_find(const struct sp_site_files *f, const struct sp_site_path *path,
                       struct sp_site_file *out);

#endif
