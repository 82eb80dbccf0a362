/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the STUN vectors of tests/vectors/stun (the format: tests/vectors/README.md). All files of
 * the folder, so that a vector that was added can't be forgotten by a test.
 */
#ifndef TESTS_STUN_VECTOR_H
#define TESTS_STUN_VECTOR_H

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stun_vector {
    char file[256];
    struct {
        char name[32], value[224];
    } fields[16];
    size_t n_fields;
    uint8_t msg[512];
    size_t len;
};

typedef void stun_vector_fn(const struct stun_vector *v);

/* NULL when the vector doesn't say. */
static inline const char *stun_vector_field(const struct stun_vector *v, const char *name)
{
    for (size_t i = 0; i < v->n_fields; i++) {
        if (strcmp(v->fields[i].name, name) == 0)
            return v->fields[i].value;
    }
    return NULL;
}

static inline size_t stun_vector_unhex(const char *text, uint8_t *out, size_t cap)
{
    size_t n = 0;

    while (*text) {
        char digits[3] = {text[0], text[1], 0};

        if (isspace((unsigned char)*text)) {
            text++;
            continue;
        }
        ck_assert_msg(isxdigit((unsigned char)digits[0]) && isxdigit((unsigned char)digits[1]),
                      "not hex: %s", text);
        ck_assert_uint_lt(n, cap);
        out[n++] = (uint8_t)strtoul(digits, NULL, 16);
        text += 2;
    }
    return n;
}

static inline void stun_vector_line(struct stun_vector *v, char *line)
{
    char *colon = strstr(line, ": ");

    line[strcspn(line, "\n")] = 0;
    if (line[0] == '#')
        return;
    if (!colon) {
        v->len += stun_vector_unhex(line, v->msg + v->len, sizeof(v->msg) - v->len);
        return;
    }

    size_t name_len = (size_t)(colon - line), value_len = strlen(colon + 2);

    ck_assert_uint_lt(v->n_fields, sizeof(v->fields) / sizeof(v->fields[0]));
    ck_assert_uint_lt(name_len, sizeof(v->fields[0].name));
    ck_assert_uint_lt(value_len, sizeof(v->fields[0].value));
    memcpy(v->fields[v->n_fields].name, line, name_len);
    memcpy(v->fields[v->n_fields].value, colon + 2, value_len);
    v->n_fields++;
}

static inline void stun_vector_read(const char *path, struct stun_vector *v)
{
    char line[512];
    FILE *f = fopen(path, "r");

    ck_assert_msg(f != NULL, "cannot open %s", path);
    while (fgets(line, sizeof(line), f))
        stun_vector_line(v, line);
    fclose(f);
}

/* Calls `fn` with each vector. Fails when there are fewer than RFC 5769 and 8489 have. */
static inline void stun_vectors(stun_vector_fn *fn)
{
    char dir[1024];
    const char *slash = strrchr(__FILE__, '/');
    int here = slash ? (int)(slash - __FILE__) : 1;
    unsigned n = 0;

    snprintf(dir, sizeof(dir), "%.*s/../vectors/stun", here, slash ? __FILE__ : ".");

    DIR *d = opendir(dir);

    ck_assert_msg(d != NULL, "no folder %s", dir);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct stun_vector v = {0};
        char path[2048];
        size_t len = strlen(e->d_name);

        if (len < 4 || strcmp(e->d_name + len - 4, ".hex") != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        snprintf(v.file, sizeof(v.file), "%s", e->d_name);
        stun_vector_read(path, &v);
        ck_assert_msg(v.len > 0, "no bytes in %s", path);
        fn(&v);
        n++;
    }
    closedir(d);
    ck_assert_msg(n >= 5, "only %u vectors in %s", n, dir);
}

#endif
