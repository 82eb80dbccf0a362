/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people type: the options of both programs, from all three places. The first byte says which
 * program and whether the file is open to everyone; of the lines that follow, one that starts with
 * "-" is an argument, the rest of one that starts with ">" too, of one that starts with "$" a
 * variable, and all others are the file.
 *
 * What is refused is refused in one clean line; of what is accepted no secret stays where ps would
 * show it.
 */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../client/options.h"
#include "../../server/edge_config.h"
#include "../../server/options.h"
#include "sallyport/err.h"

#define WORDS_MAX 64

static struct {
    char *argv[WORDS_MAX + 1], *env[WORDS_MAX + 1];
    int argc;
    size_t n_env;
    int file;
} in;

static void check_why(const char *why)
{
    size_t len = strnlen(why, SP_OPTIONS_ERR_MAX);

    REQUIRE(len > 0 && len < SP_OPTIONS_ERR_MAX);
    for (size_t i = 0; i < len; i++)
        REQUIRE((unsigned char)why[i] >= ' ' && why[i] != 0x7f);
}

static const char *get_env(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < in.n_env; i++)
        if (strncmp(in.env[i], name, len) == 0 && in.env[i][len] == '=')
            return in.env[i] + len + 1;
    return NULL;
}

static const struct sp_option *find(const struct sp_options_spec *spec, const char *name)
{
    size_t len = strcspn(name + 2, "=");

    for (size_t i = 0; i < spec->n; i++)
        if (strlen(spec->table[i].name) == len && memcmp(spec->table[i].name, name + 2, len) == 0)
            return &spec->table[i];
    return NULL;
}

static void check_wiped(const struct sp_options_spec *spec)
{
    for (int i = 1; i < in.argc; i++) {
        const struct sp_option *opt = find(spec, in.argv[i]);
        const char *value = strchr(in.argv[i], '=');

        if (opt == NULL)
            continue; /* --config */
        if (value != NULL)
            value++;
        else if (opt->arg != NULL)
            value = in.argv[++i];
        if (opt->flags & SP_OPTION_SECRET)
            REQUIRE(value != NULL && strcmp(value, "*") == 0);
    }
}

/* What was parsed becomes a configuration, or is refused as a whole. */
static void use(struct sp_options *o, bool edge)
{
    static struct sp_edge_config e; /* large */
    static struct sp_gateway_config g;
    char why[SP_OPTIONS_ERR_MAX] = "";

    if (edge && sp_edge_config_init(&e, o, why) == 0) {
        REQUIRE(e.shared.serve != 0 && e.worker.n_relay_ips > 0);
        sp_edge_config_fini(&e);
    } else if (!edge && sp_gateway_config_init(&g, o, get_env, why) == 0) {
        REQUIRE(g.n_servers > 0 && (g.token != NULL) != (g.token_file != NULL));
        REQUIRE(g.lanes >= 1);
        sp_gateway_config_fini(&g);
    } else {
        check_why(why);
    }
}

static void add_line(char *line, size_t len)
{
    char *copy = malloc(len + 1);

    REQUIRE(copy != NULL);
    memcpy(copy, line, len);
    copy[len] = '\0';
    if (copy[0] == '-' || copy[0] == '>') {
        if (copy[0] == '>')
            memmove(copy, copy + 1, len);
        if (in.argc < WORDS_MAX) {
            in.argv[in.argc++] = copy;
            return;
        }
    } else if (copy[0] == '$' && strchr(copy, '=') != NULL) {
        memmove(copy, copy + 1, len);
        if (in.n_env < WORDS_MAX) {
            in.env[in.n_env++] = copy;
            return;
        }
    } else {
        line[len] = '\n';
        REQUIRE(write(in.file, line, len + 1) == (ssize_t)len + 1);
    }
    free(copy);
}

static void open_file(bool is_public)
{
    static char path[64];

    if (in.file == 0) {
        in.file = memfd_create("config", MFD_CLOEXEC);
        snprintf(path, sizeof path, "--config=/proc/self/fd/%d", in.file);
    }
    REQUIRE(in.file > 0 && ftruncate(in.file, 0) == 0 && lseek(in.file, 0, SEEK_SET) == 0);
    REQUIRE(fchmod(in.file, is_public ? 0644 : 0600) == 0);
    in.argv[0] = strdup("sallyport");
    in.argv[1] = strdup(path);
    in.argc = 2;
}

static void clear(void)
{
    for (int i = 0; i < in.argc; i++)
        free(in.argv[i]);
    for (size_t i = 0; i < in.n_env; i++)
        free(in.env[i]);
    memset(in.argv, 0, sizeof in.argv);
    memset(in.env, 0, sizeof in.env);
    in.n_env = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || memmem(data, size, "config", 6) != NULL ||
        memmem(data, size, "CONFIG", 6) != NULL)
        return 0; /* files of this host are no part of the input */

    bool edge = data[0] & 1;
    const struct sp_options_spec *spec = edge ? &sp_edge_options : &sp_gateway_options;
    char why[SP_OPTIONS_ERR_MAX] = "", *text = malloc(size), *end = text + size - 1;
    struct sp_options *o;

    REQUIRE(text != NULL);
    memcpy(text, data + 1, size - 1);
    open_file(data[0] & 2);
    for (char *line = text, *next; line < end; line = next + 1) {
        next = memchr(line, '\n', (size_t)(end - line));
        next = next != NULL ? next : end;
        add_line(line, (size_t)(next - line));
    }
    int err = sp_options_parse(spec, in.argc, in.argv, in.env, &o, why);
    REQUIRE(err == 0 || err == SP_EINVAL);
    if (err != 0) {
        check_why(why);
    } else if (sp_options_switch(o, "help") || sp_options_switch(o, "version")) {
        sp_options_free(o);
    } else {
        check_wiped(spec);
        use(o, edge);
    }
    clear();
    free(text);
    return 0;
}
