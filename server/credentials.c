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
    {.name = "json", .help = "print one JSON object"},
};

const struct sp_options_spec sp_credentials_options = {
    .usage = "sallyport-server credentials --secret-file FILE --user NAME [OPTION]...",
    .about = "Prints TURN username and password, a tunnel token, and an iceServers list.",
    .table = table,
    .n = SP_ARRAY_LEN(table),
};

struct credentials {
    uint64_t ttl_s;
    char username[SP_REST_USERNAME_MAX + 1];
    char password[SP_REST_PASSWORD_LEN + 1];
    char token[SP_TOKEN_MAX + 1];
};

static int make(struct sp_span secret, const char *user, uint64_t ttl_s, struct credentials *out)
{
    struct sp_claims claims = {.expires_s = sp_clock_unix_s() + ttl_s};

    snprintf(claims.subject, sizeof claims.subject, "%s", user);
    snprintf(claims.scope, sizeof claims.scope, "%s", SP_TOKEN_SCOPE_TUNNEL);
    out->ttl_s = ttl_s;
    int err = sp_rest_username(claims.expires_s, user, out->username);
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

static int print(const struct credentials *c, const char *host, bool as_json)
{
    json_t *servers = ice_servers(c, host);
    char *text = NULL;

    if (as_json) {
        json_t *all = json_pack("{s:s, s:s, s:I, s:s, s:O}", "username", c->username, "credential",
                                c->password, "ttl", (json_int_t)c->ttl_s, "token", c->token,
                                "iceServers", servers);
        text = json_dumps(all, JSON_INDENT(2));
        json_decref(all);
        if (text != NULL)
            puts(text);
    } else {
        text = json_dumps(servers, JSON_INDENT(2));
        if (text != NULL)
            printf("username    %s\ncredential  %s\nttl         %llu\ntoken       %s\niceServers  "
                   "%s\n",
                   c->username, c->password, (unsigned long long)c->ttl_s, c->token, text);
    }
    free(text);
    json_decref(servers);
    if (text != NULL && fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "sallyport-server: cannot print them: %s\n",
            text == NULL ? sp_strerror(SP_ENOMEM) : strerror(errno));
    return 1;
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

static int print_them(const struct sp_options *o)
{
    const char *user = sp_options_get(o, "user", NULL);
    struct sp_secrets secrets = {0};
    struct credentials c;
    char why[SP_SECRET_ERR_MAX];

    if (user == NULL) {
        fprintf(stderr, "sallyport-server: --user is needed: whom the credentials are for\n");
        return 2;
    }
    if (read_secret(o, &secrets, why) != 0) {
        fprintf(stderr, "sallyport-server: %s\n", why);
        return 2;
    }
    int err = make(secrets.items[0], user, sp_options_number(o, "ttl", TTL_DEFAULT_S), &c);
    sp_secrets_fini(&secrets);
    if (err == SP_EINVAL) {
        fprintf(stderr, "sallyport-server: --user: wants a name in UTF-8\n");
        return 2;
    }
    if (err != 0) {
        fprintf(stderr, "sallyport-server: cannot sign: %s\n", sp_strerror(err));
        return 1;
    }
    return print(&c, sp_options_get(o, "host", NULL), sp_options_switch(o, "json"));
}

int sp_credentials_run(struct sp_options *o)
{
    int status = print_them(o);

    sp_options_free(o);
    return status;
}
