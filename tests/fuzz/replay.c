/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target over the files of a folder, once each, and over the empty input: so that what
 * a fuzzer found once is tested ever after, with any compiler. No files is a failure, since then
 * nothing was tested.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

/* Each input in a block of its own and of its exact size, so that reading past it is seen. */
static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    long size;
    int failed = 1;

    if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET))
        goto out;
    data = malloc((size_t)size);
    if ((size > 0 && !data) || fread(data, 1, (size_t)size, f) != (size_t)size)
        goto out;
    LLVMFuzzerTestOneInput(data, (size_t)size);
    failed = 0;
out:
    if (failed)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    if (f)
        fclose(f);
    free(data);
    return failed;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    unsigned n = 0, failed = 0;

    if (!dir) {
        fprintf(stderr, "usage: %s FOLDER: %s\n", argv[0],
                argc == 2 ? strerror(errno) : "one folder");
        return 2;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        char path[PATH_MAX];

        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
        /* Said before it runs: when the target dies, this is the last line. */
        printf("%s\n", path);
        fflush(stdout);
        failed += (unsigned)replay(path);
        n++;
    }
    closedir(dir);
    if (n == 0)
        fprintf(stderr, "%s: no input in there\n", argv[1]);
    return n == 0 || failed > 0;
}
