/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines with fields from outside: whatever they hold, one line comes of them, of printable
 * ASCII and bounded; as JSON it is an object whose fields are those that were given. The first byte
 * says how it looks, each zero ends a field.
 */
#include "fuzz.h"

#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sallyport/log.h"

#define FIELDS_MAX 8
#define LINE_MAX   2000

static const char *const keys[FIELDS_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static struct sp_log_field fields[FIELDS_MAX + 1];
static size_t n_fields;

/* One line, without its end. */
static char *write_line(bool json, size_t *len)
{
    static char line[LINE_MAX + 2];
    static int fd;

    if (fd == 0)
        fd = memfd_create("log", MFD_CLOEXEC);
    REQUIRE(fd > 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);

    struct sp_log log = {.level = SP_LOG_INFO, .json = json, .fd = fd};

    sp_log_event(&log, SP_LOG_INFO, "something happened", fields);

    ssize_t n = pread(fd, line, sizeof line, 0);

    REQUIRE(n > 1 && n <= LINE_MAX && line[n - 1] == '\n');
    for (ssize_t i = 0; i < n - 1; i++)
        REQUIRE(line[i] >= ' ' && line[i] <= '~');
    line[n - 1] = '\0';
    *len = (size_t)n - 1;
    return line;
}

/* What isn't UTF-8 comes out as U+FFFD; all else as it was. */
static void check_string(const json_t *got, const char *given, bool cut)
{
    json_t *exact = json_string(given);

    REQUIRE(json_is_string(got));
    if (exact != NULL && !cut)
        REQUIRE(strcmp(json_string_value(got), given) == 0);
    if (exact == NULL && !cut)
        REQUIRE(strstr(json_string_value(got), "\xEF\xBF\xBD") != NULL);
    json_decref(exact);
}

static void check_json(const char *line, size_t len)
{
    json_t *all = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    bool cut = json_is_true(json_object_get(all, "cut"));

    REQUIRE(json_is_object(all));
    REQUIRE(strcmp(json_string_value(json_object_get(all, "msg")), "something happened") == 0);
    for (size_t i = 0; i < n_fields; i++) {
        const json_t *got = json_object_get(all, keys[i]);

        if (got == NULL)
            REQUIRE(cut);
        else if (fields[i].kind == SP_FIELD_STR)
            check_string(got, fields[i].v.str, cut);
        else
            REQUIRE((uint64_t)json_integer_value(got) == fields[i].v.u);
    }
    json_decref(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;

    char *text = malloc(size), *end = text + size - 1;
    size_t len;

    REQUIRE(text != NULL);
    memcpy(text, data + 1, size - 1);
    *end = '\0';
    n_fields = 0;
    for (char *p = text; p < end && n_fields < FIELDS_MAX; p += strlen(p) + 1) {
        fields[n_fields] = SP_F_STR(keys[n_fields], p);
        if (*p == '#') /* a number, then */
            fields[n_fields] = SP_F_UINT(keys[n_fields], strlen(p));
        n_fields++;
    }
    fields[n_fields] = (struct sp_log_field){.kind = SP_FIELD_END};

    const char *line = write_line(data[0] & 1, &len);

    if (data[0] & 1)
        check_json(line, len);
    free(text);
    return 0;
}
