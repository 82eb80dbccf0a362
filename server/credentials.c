/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "credentials.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/options.h"
#include "sallyport/secret_file.h"
#include "sallyport/token.h"

#define TTL_DEFAULT_S 86400
#define TTL_MAX_S     (366 * 86400)

/* What a browser finds beside it, wherever it is (client/README.md), and the same by TCP for
 * browsers whose policy forbids UDP. */
#define GATEWAY_UDP "turn:192.0.2.1:3478?transport=udp"
#define GATEWAY_TCP "turn:192.0.2.1:3478?transport=tcp"

static const char *check_user(const char *value)
{
    for (const char *p = value; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7F)
            return "wants a name without blanks and control characters";
    return strlen(value) <= SP_TOKEN_NAME_MAX ? NULL : "wants a name of at most 128 bytes";
}

/* NAME or NAME:PORT; what a URL can hold. */
static const char *check_host(const char *value)
{
    static const char wrong[] = "wants NAME or NAME:PORT, such as edge.example:443";
    size_t len = strcspn(value, ":");
    uint64_t port;

    if (value[0] == '[') {
        const char *end = strchr(value, ']');
        if (end == NULL)
            return wrong;
        len = (size_t)(end - value) + 1;
    }
    if (len == 0 || strpbrk(value, " /?#@\"\\") != NULL)
        return wrong;
    if (value[len] == '\0')
        return NULL;
    return value[len] == ':' && sp_option_parse_number(value + len + 1, 1, 65535, &port) == 0
               ? NULL
               : wrong;
}

static const struct sp_option table[] = {
    {.name = "secret-file",
     .arg = "FILE",
     .help = "the server's secrets; the first signs",
     .more = "The same file as the server's. The secrets themselves can be given as "
             "SALLYPORT_SECRET instead."},
    {.name = "secret",
     .arg = "SECRET",
     .help = "the secrets themselves",
     .flags = SP_OPTION_SECRET | SP_OPTION_ENV_ONLY},
    {.name = "user",
     .arg = "NAME",
     .help = "whom they are for",
     .more = "The subject of the token, and what stands behind the colon of the TURN username.",
     .check = check_user},
    {.name = "ttl",
     .arg = "SECONDS",
     .help = "how long they are good",
     .preset = "86400",
     .flags = SP_OPTION_NUMBER,
     .min = 1,
     .max = TTL_MAX_S},
    {.name = "host",
     .arg = "NAME[:PORT]",
     .help = "of the server, for browsers without a gateway",
     .more = "Adds a turns: URL to the list.",
     .check = check_host},
    {.name = "scope",
     .arg = "tunnel|session",
     .help = "what the token is good for",
     .more = "tunnel: a gateway opens its lanes with it; TURN username and password stand beside "
             "it. session: an application's back end makes sessions with it, by the control API; "
             "it is printed alone.",
     .preset = SP_TOKEN_SCOPE_TUNNEL,
     .words = "tunnel|session",
     .flags = SP_OPTION_CHOICE},
    {.name = "gateway",
     .arg = "NAME",
     .help = "what sessions know the gateway by",
     .more = "Stands in the token of a gateway; without it the gateway goes by the name of --user.",
     .check = check_user},
    {.name = "json", .help = "print one JSON object"},
};

const struct sp_options_spec sp_credentials_options = {
    .usage = "sallyport-server credentials --secret-file FILE --user NAME [OPTION]...",
    .about = "Prints TURN username and password, a tunnel token, and an iceServers list; or the "
             "token by which an application makes sessions.",
    .table = table,
    .n = SP_ARRAY_LEN(table),
};

struct wanted {
    const char *user, *scope, *gateway; /* "" for no gateway */
    uint64_t ttl_s;
};

struct credentials {
    uint64_t ttl_s;
    char username[SP_REST_USERNAME_MAX + 1];
    char password[SP_REST_PASSWORD_LEN + 1];
    char token[SP_TOKEN_MAX + 1];
};

static int make(struct sp_span secret, const struct wanted *w, struct credentials *out)
{
    struct sp_claims claims = {.expires_s = sp_clock_unix_s() + w->ttl_s};

    snprintf(claims.subject, sizeof claims.subject, "%s", w->user);
    snprintf(claims.scope, sizeof claims.scope, "%s", w->scope);
    snprintf(claims.gateway, sizeof claims.gateway, "%s", w->gateway);
    out->ttl_s = w->ttl_s;
    int err = sp_rest_username(claims.expires_s, w->user, out->username);
    if (err != 0)
        return err;
    sp_rest_password(secret, sp_span_str(out->username), out->password);
    return sp_token_sign(secret, &claims, out->token, sizeof out->token);
}

static json_t *ice_servers(const struct credentials *c, const char *host)
{
    json_t *urls = json_pack("[s, s]", GATEWAY_UDP, GATEWAY_TCP);

    if (host != NULL) {
        const char *after = host[0] == '[' ? strchr(host, ']') : host;
        const char *port = strchr(after, ':') != NULL ? "" : ":443";
        json_array_append_new(urls, json_sprintf("turns:%s%s?transport=tcp", host, port));
    }
    return json_pack("[{s:o, s:s, s:s}]", "urls", urls, "username", c->username, "credential",
                     c->password);
}

/* The exit status: whether all of it is out. */
static int printed(bool had_memory)
{
    if (had_memory && fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "sallyport-server: cannot print them: %s\n",
            had_memory ? strerror(errno) : sp_strerror(SP_ENOMEM));
    return 1;
}

static int print_json(json_t *o)
{
    char *text = json_dumps(o, JSON_INDENT(2));
    bool had_memory = text != NULL;

    if (had_memory)
        puts(text);
    free(text);
    json_decref(o);
    return printed(had_memory);
}

static int print_all(const struct credentials *c, const char *host, bool as_json)
{
    json_t *servers = ice_servers(c, host);

    if (as_json)
        return print_json(json_pack("{s:s, s:s, s:I, s:s, s:o}", "username", c->username,
                                    "credential", c->password, "ttl", (json_int_t)c->ttl_s, "token",
                                    c->token, "iceServers", servers));
    printf("username    %s\ncredential  %s\nttl         %llu\ntoken       %s\niceServers  ",
           c->username, c->password, (unsigned long long)c->ttl_s, c->token);
    return print_json(servers);
}

/* Who makes sessions is no TURN user. */
static int print_token(const struct credentials *c, bool as_json)
{
    if (as_json)
        return print_json(json_pack("{s:s, s:I}", "token", c->token, "ttl", (json_int_t)c->ttl_s));
    printf("ttl    %llu\ntoken  %s\n", (unsigned long long)c->ttl_s, c->token);
    return printed(true);
}

static int read_secret(const struct sp_options *o, struct sp_secrets *out,
                       char why[static SP_SECRET_ERR_MAX])
{
    const char *file = sp_options_get(o, "secret-file", NULL);
    const char *text = sp_options_get(o, "secret", NULL);
    char file_why[SP_SECRET_ERR_MAX];

    if (file != NULL && text != NULL) {
        snprintf(why, SP_SECRET_ERR_MAX,
                 "--secret-file and SALLYPORT_SECRET: one of them, not both");
        return SP_EINVAL;
    }
    if (file != NULL) {
        int err = sp_secret_file_read(file, out, file_why);
        if (err != 0)
            snprintf(why, SP_SECRET_ERR_MAX, "--secret-file: %.480s", file_why);
        return err;
    }
    if (text != NULL)
        return sp_secrets_from_text("SALLYPORT_SECRET", sp_span_str(text), out, why);
    snprintf(why, SP_SECRET_ERR_MAX,
             "--secret-file is needed (or SALLYPORT_SECRET): the same as the server's");
    return SP_EINVAL;
}

/* 2, and a line on standard error, when the settings contradict each other. */
static int read_wanted(const struct sp_options *o, struct wanted *w)
{
    static const char *const of_tunnels[] = {"gateway", "host"};

    *w = (struct wanted){
        .user = sp_options_get(o, "user", NULL),
        .scope = sp_options_get(o, "scope", SP_TOKEN_SCOPE_TUNNEL),
        .gateway = sp_options_get(o, "gateway", ""),
        .ttl_s = sp_options_number(o, "ttl", TTL_DEFAULT_S),
    };
    if (w->user == NULL) {
        fprintf(stderr, "sallyport-server: --user is needed: whom the credentials are for\n");
        return 2;
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(of_tunnels); i++)
        if (strcmp(w->scope, SP_TOKEN_SCOPE_TUNNEL) != 0 && sp_options_count(o, of_tunnels[i])) {
            fprintf(stderr, "sallyport-server: --%s: is for --scope tunnel\n", of_tunnels[i]);
            return 2;
        }
    return 0;
}

static int print_them(const struct sp_options *o)
{
    struct sp_secrets secrets = {0};
    struct wanted w;
    struct credentials c;
    char why[SP_SECRET_ERR_MAX];

    if (read_wanted(o, &w) != 0)
        return 2;
    if (read_secret(o, &secrets, why) != 0) {
        fprintf(stderr, "sallyport-server: %s\n", why);
        return 2;
    }
    int err = make(secrets.items[0], &w, &c);
    sp_secrets_fini(&secrets);
    if (err == SP_EINVAL) {
        fprintf(stderr, "sallyport-server: --user, --gateway: want names in UTF-8\n");
        return 2;
    }
    if (err != 0) {
        fprintf(stderr, "sallyport-server: cannot sign: %s\n", sp_strerror(err));
        return 1;
    }
    bool as_json = sp_options_switch(o, "json");
    return strcmp(w.scope, SP_TOKEN_SCOPE_SESSION) == 0
               ? print_token(&c, as_json)
               : print_all(&c, sp_options_get(o, "host", NULL), as_json);
}

int sp_credentials_run(struct sp_options *o)
{
    int status = print_them(o);

    sp_options_free(o);
    return status;
}
