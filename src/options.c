/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "options_impl.h"
#include "sallyport/err.h"

struct sp_option_slot *sp_options_find(const struct sp_options *o, const char *name, size_t len)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct sp_option_slot *s = &o->slots[i];

        if (strlen(s->opt->name) == len && memcmp(s->opt->name, name, len) == 0)
            return (struct sp_option_slot *)s;
    }
    return NULL;
}

void sp_option_slot_clear(struct sp_option_slot *s)
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

const struct sp_option *sp_options_row(const struct sp_options_spec *spec, size_t i)
{
    if (i < spec->n)
        return &spec->table[i];
    return spec->also ? sp_options_row(spec->also, i - spec->n) : NULL;
}

static struct sp_options *new_options(const struct sp_options_spec *spec)
{
    struct sp_options *o;
    size_t n = 0;

    while (sp_options_row(spec, n))
        n++;
    o = calloc(1, sizeof(*o) + (n + SP_OPTIONS_N_BUILTIN) * sizeof(o->slots[0]));
    if (!o)
        return NULL;
    o->n = n + SP_OPTIONS_N_BUILTIN;
    for (size_t i = 0; i < o->n; i++)
        o->slots[i].opt = i < n ? sp_options_row(spec, i) : &sp_options_builtin[i - n];
    return o;
}

int sp_options_parse(const struct sp_options_spec *spec, int argc, char **argv, char **env,
                     struct sp_options **out, char why[static SP_OPTIONS_ERR_MAX])
{
    struct sp_options *o = new_options(spec);

    if (!o) {
        snprintf(why, SP_OPTIONS_ERR_MAX, "out of memory");
        return SP_ENOMEM;
    }
    int err = sp_options_read(o, argc, argv, env, why);
    if (err < 0) {
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
        sp_option_slot_clear(&o->slots[i]);
    free(o);
}

static const struct sp_option_slot *must_find(const struct sp_options *o, const char *name)
{
    const struct sp_option_slot *s = sp_options_find(o, name, strlen(name));

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
    const struct sp_option_slot *s = must_find(o, name);

    return i < s->n ? s->values[i] : NULL;
}

const char *sp_options_get(const struct sp_options *o, const char *name, const char *fallback)
{
    const struct sp_option_slot *s = must_find(o, name);

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

bool sp_options_wants_help(const struct sp_options *o, bool *all)
{
    const char *value = sp_options_get(o, "help", NULL);

    if (value)
        *all = strcmp(value, "all") == 0;
    return value != NULL;
}
