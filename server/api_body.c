/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api_body.h"

#include <stdio.h>

#include "sallyport/err.h"

const char *const sp_api_order_fields[] = {"ttl", "stun", "ends", NULL};
const char *const sp_api_end_fields[] = {"gateway", NULL};
const char *const sp_api_join_fields[] = {"holder", "gateway", "ufrag", "password", NULL};

/* One piece of text in a struct; "" is what an absent one leaves there. */
struct text {
    const char *name, *wanted;
    bool (*ok)(struct sp_span text);
};

static bool gateway_ok(struct sp_span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.p[i] <= ' ' || name.p[i] == 0x7f)
            return false;
    return name.len > 0 && name.len <= SP_TOKEN_NAME_MAX;
}

static bool one_gateway_ok(struct sp_span name)
{
    return gateway_ok(name) && !sp_span_eq(name, sp_span_str(SP_API_ANY_GATEWAY));
}

static const struct text allowed = {
    "gateway", "wants a gateway's name: 1 to 128 bytes, no blanks; or * for any", gateway_ok};
static const struct text gateway = {
    "gateway", "wants a gateway's name: 1 to 128 bytes, no blanks, not *", one_gateway_ok};
static const struct text holder = {
    "holder", "wants 16 to 64 letters, digits, - or _, made at random and kept", sp_rdv_holder_ok};
static const struct text ufrag = {
    "ufrag", "wants the ICE user fragment: 4 to 256 letters, digits, + or /", sp_rdv_ufrag_ok};
static const struct text password = {
    "password", "wants the ICE password: 22 to 256 letters, digits, + or /", sp_rdv_password_ok};

/* --- any object ----------------------------------------------------------------------------- */

/* The pointer to a member, where it can stand in one; else to the whole. */
static void point(char out[static SP_API_FIELD_MAX], const char *path, const char *name)
{
    size_t front = strlen(path), len = strlen(name);
    bool plain = len > 0 && front + 1 + len < SP_API_FIELD_MAX;

    for (const char *p = name; *p != '\0'; p++)
        plain &= *p > ' ' && *p < 0x7f && *p != '/' && *p != '~';
    snprintf(out, SP_API_FIELD_MAX, "%s", path);
    if (!plain)
        return;
    out[front] = '/';
    memcpy(out + front + 1, name, len + 1);
}

static int bad(struct sp_api_fault *fault, const char *path, const char *name, const char *detail)
{
    char field[SP_API_FIELD_MAX];

    point(field, path, name);
    return sp_api_fault(fault, SP_API_BAD_FIELD, field, "%s", detail);
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* An object with none but these members. */
static int check_members(const json_t *o, const char *path, const char *const *names,
                         struct sp_api_fault *fault)
{
    const char *name;
    json_t *value;

    if (!json_is_object(o))
        return sp_api_fault(fault, SP_API_BAD_FIELD, path, "wants an object");
    json_object_foreach((json_t *)o, name, value)
    {
        char known[SP_API_DETAIL_MAX] = "is not known here; there are:";
        if (is_one_of(name, names))
            continue;
        for (size_t i = 0, len; names[i] != NULL; i++) {
            len = strlen(known);
            snprintf(known + len, sizeof known - len, " %s", names[i]);
        }
        return bad(fault, path, name, known);
    }
    return 0;
}

static int read_text(const json_t *o, const char *path, const struct text *t, char *out, size_t cap,
                     struct sp_api_fault *fault)
{
    const json_t *v = json_object_get(o, t->name);
    struct sp_span s;

    if (v == NULL)
        return 0;
    s = sp_span(json_string_value(v), json_string_length(v)); /* NULL and 0 if it is no text */
    if (!json_is_string(v) || s.len >= cap || !t->ok(s))
        return bad(fault, path, t->name, t->wanted);
    memcpy(out, s.p, s.len);
    out[s.len] = '\0';
    return 0;
}

/* The body as JSON, whatever it is. */
static int parse(struct sp_span body, json_t **out, struct sp_api_fault *fault)
{
    json_error_t error;

    *out = json_loadb((const char *)body.p, body.len, JSON_REJECT_DUPLICATES, &error);
    if (*out != NULL)
        return 0;
    if (json_error_code(&error) == json_error_out_of_memory)
        return SP_ENOMEM;
    return sp_api_fault(fault, SP_API_MALFORMED, "",
                        "the body wants to be a JSON object, and isn't one from line %d, column %d "
                        "on",
                        error.line, error.column);
}

/* --- requests ------------------------------------------------------------------------------- */

static int read_ends(const json_t *ends, struct sp_api_order *out, struct sp_api_fault *fault)
{
    int err = 0;

    if (ends == NULL)
        return 0;
    if (!json_is_array(ends) || json_array_size(ends) != SP_ARRAY_LEN(out->ends))
        return bad(fault, "", "ends", "wants a list of two objects");
    for (size_t i = 0; err == 0 && i < SP_ARRAY_LEN(out->ends); i++) {
        const json_t *end = json_array_get(ends, i);
        char path[16];

        snprintf(path, sizeof path, "/ends/%zu", i);
        err = check_members(end, path, sp_api_end_fields, fault);
        if (err == 0)
            err = read_text(end, path, &allowed, out->ends[i].gateway, sizeof out->ends[i].gateway,
                            fault);
    }
    return err;
}

static int read_ttl(const json_t *ttl, struct sp_api_order *out, struct sp_api_fault *fault)
{
    json_int_t v = json_integer_value(ttl);

    if (ttl == NULL)
        return 0;
    if (!json_is_integer(ttl) || v < SP_API_TTL_MIN || v > SP_API_TTL_MAX)
        return bad(fault, "", "ttl", "wants a whole number of seconds from 10 to 600");
    out->ttl_s = (uint64_t)v;
    return 0;
}

static int read_stun(const json_t *stun, struct sp_api_order *out, struct sp_api_fault *fault)
{
    const char *text = json_string_value(stun);

    if (stun == NULL)
        return 0;
    out->early = text != NULL && strcmp(text, "early") == 0;
    if (!out->early && (text == NULL || strcmp(text, "pass") != 0))
        return bad(fault, "", "stun", "wants \"pass\" or \"early\"");
    return 0;
}

int sp_api_read_order(struct sp_span body, struct sp_api_order *out, struct sp_api_fault *fault)
{
    struct sp_api_order order = {.ttl_s = SP_API_TTL_DEFAULT};
    json_t *o = NULL;
    int err;

    if (body.len == 0) {
        *out = order;
        return 0;
    }
    err = parse(body, &o, fault);
    if (err == 0)
        err = check_members(o, "", sp_api_order_fields, fault);
    if (err == 0)
        err = read_ttl(json_object_get(o, "ttl"), &order, fault);
    if (err == 0)
        err = read_stun(json_object_get(o, "stun"), &order, fault);
    if (err == 0)
        err = read_ends(json_object_get(o, "ends"), &order, fault);
    json_decref(o);
    if (err == 0)
        *out = order;
    return err;
}

int sp_api_read_join(struct sp_span body, struct sp_api_join *out, struct sp_api_fault *fault)
{
    struct sp_api_join join = {.holder = ""};
    json_t *o = NULL;
    int err = parse(body, &o, fault);

    if (err == 0)
        err = check_members(o, "", sp_api_join_fields, fault);
    if (err == 0)
        err = read_text(o, "", &holder, join.holder, sizeof join.holder, fault);
    if (err == 0)
        err = read_text(o, "", &gateway, join.gateway, sizeof join.gateway, fault);
    if (err == 0)
        err = read_text(o, "", &ufrag, join.ufrag, sizeof join.ufrag, fault);
    if (err == 0)
        err = read_text(o, "", &password, join.password, sizeof join.password, fault);
    if (err == 0 && join.holder[0] == '\0')
        err = bad(fault, "", "holder", holder.wanted);
    if (err == 0 && join.password[0] != '\0' && join.ufrag[0] == '\0')
        err = bad(fault, "", "password", "belongs to a ufrag, and there is none");
    json_decref(o);
    if (err == 0)
        *out = join;
    return err;
}
