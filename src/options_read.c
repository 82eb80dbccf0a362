/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "options_impl.h"
#include "sallyport/bytes.h"
#include "sallyport/err.h"
#include "sallyport/secret_file.h"

#define FILE_MAX    262144 /* bytes of a --config file */
#define VALUE_SHOWN 80     /* bytes of a bad value that a message repeats */

/* Where a value was met, for the message if it is bad. */
struct reader {
    struct sp_options *o;
    enum sp_option_source source;
    const char *path; /* SP_FROM_FILE */
    size_t line;
    bool is_public;
    char *why;
};

static bool is_allowed(const struct sp_option *opt, enum sp_option_source source)
{
    if (opt->flags & SP_OPTION_ENV_ONLY)
        return source == SP_FROM_ENV;
    if (opt->flags & SP_OPTION_ARGV_ONLY)
        return source == SP_FROM_ARGV;
    return !(source == SP_FROM_FILE && (opt->flags & SP_OPTION_NOT_IN_FILE));
}

/* --- messages --- */

/* Appends; what doesn't fit is cut. */
__attribute__((format(printf, 2, 3))) static void say(char *why, const char *fmt, ...)
{
    size_t len = strlen(why);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why + len, SP_OPTIONS_ERR_MAX - len, fmt, ap);
    va_end(ap);
}

/* From outside: one line it must stay, and not a long one. */
static void say_foreign(char *why, const char *text)
{
    char shown[VALUE_SHOWN + 4];
    size_t i;

    for (i = 0; text[i] && i < VALUE_SHOWN; i++)
        shown[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    strcpy(shown + i, text[i] ? "..." : "");
    say(why, "%s", shown);
}

static void say_name(const struct reader *r, const struct sp_option *opt)
{
    char name[SP_OPTION_ENV_MAX];

    if (r->source == SP_FROM_ENV) {
        sp_option_env_name(opt, name);
        say(r->why, "%s", name);
    } else {
        say(r->why, "%s%s", r->source == SP_FROM_ARGV ? "--" : "", opt->name);
    }
}

static void say_place(const struct reader *r)
{
    r->why[0] = '\0';
    if (r->source == SP_FROM_FILE)
        say(r->why, "%s line %zu: ", r->path, r->line);
}

/* "--listen "x": wants ADDR:PORT"; `value` may be NULL. */
static int bad_value(const struct reader *r, const struct sp_option *opt, const char *value,
                     const char *text)
{
    say_place(r);
    say_name(r, opt);
    if (value && !(opt->flags & SP_OPTION_SECRET)) {
        say(r->why, " \"");
        say_foreign(r->why, value);
        say(r->why, "\"");
    }
    say(r->why, ": %s", text);
    return SP_EINVAL;
}

static int unknown_option(const struct reader *r, const char *name)
{
    const char *comma = "", *others = "";

    say_place(r);
    say(r->why, "unknown option ");
    say_foreign(r->why, name);
    say(r->why, ": there are ");
    for (size_t i = 0; i < r->o->n; i++) {
        const struct sp_option *opt = r->o->slots[i].opt;

        if (!is_allowed(opt, r->source))
            continue;
        if (opt->flags & SP_OPTION_RARE) {
            others = " and others (--help all)";
            continue;
        }
        say(r->why, "%s", comma);
        say_name(r, opt);
        comma = ", ";
    }
    say(r->why, "%s", others);
    return SP_EINVAL;
}

static int no_memory(const struct reader *r)
{
    r->why[0] = '\0';
    say(r->why, "out of memory");
    return SP_ENOMEM;
}

/* --- one value --- */

/* 0, or SP_EINVAL with the message written. */
static int check(const struct reader *r, const struct sp_option *opt, const char *value)
{
    char text[SP_OPTION_WANTS_MAX];
    const char *wants = sp_option_wants(opt, value, text);

    return wants ? bad_value(r, opt, *value ? value : NULL, wants) : 0;
}

static int append(const struct reader *r, struct sp_option_slot *s, const char *value)
{
    char **values = realloc(s->values, (s->n + 1) * sizeof(*values));
    char *copy;

    if (!values)
        return no_memory(r);
    s->values = values;
    copy = strdup(value);
    if (!copy)
        return no_memory(r);
    s->values[s->n++] = copy;
    return 0;
}

/* `value` is NULL where only the name stood. Stronger sources are read first, so what is there from
 * another one wins. */
static int put(const struct reader *r, struct sp_option_slot *s, const char *value)
{
    bool is_switch = s->opt->arg == NULL, off = false;
    int err;

    if (s->source != SP_FROM_NOWHERE && s->source != r->source)
        return 0;
    if (is_switch && value) {
        off = strcmp(value, "no") == 0;
        if (r->source == SP_FROM_ARGV)
            return bad_value(r, s->opt, value, "takes no value");
        if (!off && strcmp(value, "yes") != 0)
            return bad_value(r, s->opt, value, "wants yes or no");
    } else if (!is_switch) {
        value = value ? value : "";
        err = check(r, s->opt, value);
        if (err < 0)
            return err;
    }
    if (r->is_public && (s->opt->flags & SP_OPTION_SECRET))
        return bad_value(r, s->opt, NULL, "a secret in a file that is open to everyone: chmod 600");
    if (!(s->opt->flags & SP_OPTION_REPEAT)) {
        if (s->source == SP_FROM_FILE)
            return bad_value(r, s->opt, NULL, "given a second time, once is allowed");
        sp_option_slot_clear(s);
    }
    s->source = r->source;
    return off ? 0 : append(r, s, is_switch ? "yes" : value);
}

/* --- the sources --- */

/* --- the sources --- */

/* ps shows that there was something, not what or how long. */
static void wipe(const struct sp_option *opt, char *value)
{
    if (!(opt->flags & SP_OPTION_SECRET) || !*value)
        return;
    explicit_bzero(value, strlen(value));
    value[0] = '*';
}

/* --help, with "all" behind it. */
static int say_all(const struct reader *r, struct sp_option_slot *help)
{
    sp_option_slot_clear(help);
    return append(r, help, "all");
}

static int read_argv(struct reader *r, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *name = argv[i], *value = NULL;
        size_t len;
        struct sp_option_slot *s;
        int err;

        if (strncmp(name, "--", 2) != 0 || !name[2])
            return unknown_option(r, name);
        value = strchr(name, '=');
        len = value ? (size_t)(value++ - name) : strlen(name);
        s = sp_options_find(r->o, name + 2, len - 2);
        if (!s || !is_allowed(s->opt, SP_FROM_ARGV)) {
            char shown[VALUE_SHOWN + 2]; /* not what follows "=": it may be a secret */

            snprintf(shown, sizeof(shown), "%.*s", len < INT32_MAX ? (int)len : INT32_MAX, name);
            return unknown_option(r, shown);
        }
        if (!value && s->opt->arg) {
            if (i + 1 == argc)
                return check(r, s->opt, "");
            value = argv[++i];
        }
        err = put(r, s, value);
        if (value)
            wipe(s->opt, value);
        if (err < 0)
            return err;
        if (s->opt->flags & SP_OPTION_ARGV_ONLY) { /* --help or --version: the rest is ignored */
            if (i + 1 < argc && strcmp(s->opt->name, "help") == 0 &&
                strcmp(argv[i + 1], "all") == 0)
                err = say_all(r, s);
            return err < 0 ? err : SP_ECLOSED;
        }
    }
    return 0;
}

static char *find_env(char **env, const char *name)
{
    size_t len = strlen(name);

    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

static int put_words(struct reader *r, struct sp_option_slot *s, const char *text)
{
    static const char blanks[] = " \t\r\n";
    int err = 0;

    for (text += strspn(text, blanks); *text && err == 0; text += strspn(text, blanks)) {
        size_t len = strcspn(text, blanks);
        char *word = strndup(text, len);

        err = word ? put(r, s, word) : no_memory(r);
        if (word)
            explicit_bzero(word, len);
        free(word);
        text += len;
    }
    return err;
}

static int read_env(struct reader *r, char **env)
{
    for (size_t i = 0; i < r->o->n; i++) {
        struct sp_option_slot *s = &r->o->slots[i];
        char name[SP_OPTION_ENV_MAX], *value;
        int err;

        if (!is_allowed(s->opt, SP_FROM_ENV))
            continue;
        sp_option_env_name(s->opt, name);
        value = find_env(env, name);
        if (!value || !*value)
            continue;
        err = s->opt->flags & SP_OPTION_REPEAT ? put_words(r, s, value) : put(r, s, value);
        wipe(s->opt, value);
        if (err < 0)
            return err;
    }
    return 0;
}

/* `line` is cut up in place. */
static int read_line(struct reader *r, char *line)
{
    static const char blanks[] = " \t\r";
    size_t len = strlen(line), name_len;
    struct sp_option_slot *s;
    char *value;

    while (len > 0 && strchr(blanks, line[len - 1]))
        line[--len] = '\0';
    line += strspn(line, blanks);
    if (!*line || *line == '#')
        return 0;
    name_len = strcspn(line, blanks);
    value = line + name_len + strspn(line + name_len, blanks);
    s = sp_options_find(r->o, line, name_len);
    if (!s || !is_allowed(s->opt, SP_FROM_FILE)) {
        line[name_len] = '\0';
        return unknown_option(r, line);
    }
    return put(r, s, *value ? value : NULL);
}

/* `text` has room for a NUL behind its `len` bytes. */
static int read_lines(struct reader *r, char *text, size_t len)
{
    char *end = text + len;
    int err = 0;

    while (text < end && err == 0) {
        char *newline = memchr(text, '\n', (size_t)(end - text));

        if (!newline)
            newline = end;
        *newline = '\0';
        r->line++;
        if (strlen(text) != (size_t)(newline - text)) {
            say_place(r);
            say(r->why, "a NUL byte, only plain text is allowed");
            return SP_EINVAL;
        }
        err = read_line(r, text);
        text = newline + 1;
    }
    return err;
}

static int read_file(struct reader *r)
{
    char *text = malloc(FILE_MAX + 2);
    FILE *f = fopen(r->path, "re");
    bool starved = !text || (!f && errno == ENOMEM);
    size_t len = 0;
    int err = SP_EINVAL;

    r->why[0] = '\0';
    if (f && text) {
        r->is_public = sp_secret_fd_is_public(fileno(f));
        len = fread(text, 1, FILE_MAX + 1, f);
    }
    if (starved)
        err = no_memory(r);
    else if (!f || ferror(f))
        say(r->why, "--config %s: cannot be read: %m", r->path);
    else if (len > FILE_MAX)
        say(r->why, "--config %s: longer than %d bytes", r->path, FILE_MAX);
    else
        err = read_lines(r, text, len);
    if (text)
        explicit_bzero(text, len);
    free(text);
    if (f)
        fclose(f);
    return err;
}

int sp_options_read(struct sp_options *o, int argc, char **argv, char **env,
                    char why[static SP_OPTIONS_ERR_MAX])
{
    struct reader r = {.o = o, .source = SP_FROM_ARGV, .why = why};
    int err = read_argv(&r, argc, argv);

    if (err == 0) {
        r.source = SP_FROM_ENV;
        err = read_env(&r, env);
    }
    r.path = sp_options_get(o, "config", NULL);
    if (err == 0 && r.path) {
        r.source = SP_FROM_FILE;
        err = read_file(&r);
    }
    return err == SP_ECLOSED ? 0 : err;
}
