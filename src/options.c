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

enum source { NOWHERE, FROM_ARGV, FROM_ENV, FROM_FILE };

struct slot {
    const struct sp_option *opt;
    enum source source;
    char **values; /* a switch that is on has one, "yes"; one that was set to no has none */
    size_t n;
};

struct sp_options {
    size_t n;
    struct slot slots[];
};

/* Where a value was met, for the message if it is bad. */
struct reader {
    struct sp_options *o;
    enum source source;
    const char *path; /* FROM_FILE */
    size_t line;
    bool is_public;
    char *why;
};

static bool is_allowed(const struct sp_option *opt, enum source source)
{
    if (opt->flags & SP_OPTION_ENV_ONLY)
        return source == FROM_ENV;
    if (opt->flags & SP_OPTION_ARGV_ONLY)
        return source == FROM_ARGV;
    return !(source == FROM_FILE && (opt->flags & SP_OPTION_NOT_IN_FILE));
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

    if (r->source == FROM_ENV) {
        sp_option_env_name(opt, name);
        say(r->why, "%s", name);
    } else {
        say(r->why, "%s%s", r->source == FROM_ARGV ? "--" : "", opt->name);
    }
}

static void say_place(const struct reader *r)
{
    r->why[0] = '\0';
    if (r->source == FROM_FILE)
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
    const char *comma = "";

    say_place(r);
    say(r->why, "unknown option ");
    say_foreign(r->why, name);
    say(r->why, ": there are ");
    for (size_t i = 0; i < r->o->n; i++) {
        const struct sp_option *opt = r->o->slots[i].opt;

        if (!is_allowed(opt, r->source))
            continue;
        say(r->why, "%s", comma);
        say_name(r, opt);
        comma = ", ";
    }
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

static void drop_values(struct slot *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->opt->flags & SP_OPTION_SECRET)
            explicit_bzero(s->values[i], strlen(s->values[i]));
        free(s->values[i]);
    }
    free(s->values);
    s->values = NULL;
    s->n = 0;
}

static int append(const struct reader *r, struct slot *s, const char *value)
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
static int put(const struct reader *r, struct slot *s, const char *value)
{
    bool is_switch = s->opt->arg == NULL, off = false;
    int err;

    if (s->source != NOWHERE && s->source != r->source)
        return 0;
    if (is_switch && value) {
        off = strcmp(value, "no") == 0;
        if (r->source == FROM_ARGV)
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
        if (s->source == FROM_FILE)
            return bad_value(r, s->opt, NULL, "given a second time, once is allowed");
        drop_values(s);
    }
    s->source = r->source;
    return off ? 0 : append(r, s, is_switch ? "yes" : value);
}

/* --- the sources --- */

static struct slot *find(const struct sp_options *o, const char *name, size_t len)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct slot *s = &o->slots[i];

        if (strlen(s->opt->name) == len && memcmp(s->opt->name, name, len) == 0)
            return (struct slot *)s;
    }
    return NULL;
}

/* ps shows that there was something, not what or how long. */
static void wipe(const struct sp_option *opt, char *value)
{
    if (!(opt->flags & SP_OPTION_SECRET) || !*value)
        return;
    explicit_bzero(value, strlen(value));
    value[0] = '*';
}

static int read_argv(struct reader *r, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *name = argv[i], *value = NULL;
        size_t len;
        struct slot *s;
        int err;

        if (strncmp(name, "--", 2) != 0 || !name[2])
            return unknown_option(r, name);
        value = strchr(name, '=');
        len = value ? (size_t)(value++ - name) : strlen(name);
        s = find(r->o, name + 2, len - 2);
        if (!s || !is_allowed(s->opt, FROM_ARGV)) {
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
        if (s->opt->flags & SP_OPTION_ARGV_ONLY)
            return SP_ECLOSED; /* --help or --version: the rest doesn't matter */
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

static int put_words(struct reader *r, struct slot *s, const char *text)
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
        struct slot *s = &r->o->slots[i];
        char name[SP_OPTION_ENV_MAX], *value;
        int err;

        if (!is_allowed(s->opt, FROM_ENV))
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
    struct slot *s;
    char *value;

    while (len > 0 && strchr(blanks, line[len - 1]))
        line[--len] = '\0';
    line += strspn(line, blanks);
    if (!*line || *line == '#')
        return 0;
    name_len = strcspn(line, blanks);
    value = line + name_len + strspn(line + name_len, blanks);
    s = find(r->o, line, name_len);
    if (!s || !is_allowed(s->opt, FROM_FILE)) {
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
    size_t len = 0;
    int err = SP_EINVAL;

    r->why[0] = '\0';
    if (f && text) {
        r->is_public = sp_secret_fd_is_public(fileno(f));
        len = fread(text, 1, FILE_MAX + 1, f);
    }
    if (!text)
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

/* --- the whole --- */

static struct sp_options *new_options(const struct sp_options_spec *spec)
{
    size_t n = spec->n + SP_OPTIONS_N_BUILTIN;
    struct sp_options *o = calloc(1, sizeof(*o) + n * sizeof(o->slots[0]));

    if (!o)
        return NULL;
    o->n = n;
    for (size_t i = 0; i < n; i++)
        o->slots[i].opt = i < spec->n ? &spec->table[i] : &sp_options_builtin[i - spec->n];
    return o;
}

int sp_options_parse(const struct sp_options_spec *spec, int argc, char **argv, char **env,
                     struct sp_options **out, char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_options *o = new_options(spec);
    struct reader r = {.o = o, .source = FROM_ARGV, .why = why};
    int err;

    if (!o)
        return no_memory(&r);
    err = read_argv(&r, argc, argv);
    if (err == 0) {
        r.source = FROM_ENV;
        err = read_env(&r, env);
    }
    r.path = sp_options_get(o, "config", NULL);
    if (err == 0 && r.path) {
        r.source = FROM_FILE;
        err = read_file(&r);
    }
    if (err < 0 && err != SP_ECLOSED) {
        sp_options_free(o);
        return err;
    }
    *out = o;
    return 0;
}

void sp_options_free(struct sp_options *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->n; i++)
        drop_values(&o->slots[i]);
    free(o);
}

static const struct slot *must_find(const struct sp_options *o, const char *name)
{
    const struct slot *s = find(o, name, strlen(name));

    if (!s)
        abort();
    return s;
}

size_t sp_options_count(const struct sp_options *o, const char *name)
{
    return must_find(o, name)->n;
}

const char *sp_options_nth(const struct sp_options *o, const char *name, size_t i)
{
    const struct slot *s = must_find(o, name);

    return i < s->n ? s->values[i] : NULL;
}

const char *sp_options_get(const struct sp_options *o, const char *name, const char *fallback)
{
    const struct slot *s = must_find(o, name);

    return s->n > 0 ? s->values[s->n - 1] : fallback;
}

uint64_t sp_options_number(const struct sp_options *o, const char *name, uint64_t fallback)
{
    const char *value = sp_options_get(o, name, NULL);
    uint64_t v = fallback;

    if (value && sp_option_parse_number(value, 0, UINT64_MAX, &v) < 0)
        abort(); /* no number in the table */
    return v;
}

bool sp_options_switch(const struct sp_options *o, const char *name)
{
    return must_find(o, name)->n > 0;
}
