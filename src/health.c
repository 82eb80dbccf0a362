/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/health.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sallyport/bytes.h"
#include "sallyport/clock.h"
#include "sallyport/err.h"
#include "sallyport/http.h"
#include "sallyport/sock.h"

#define ANSWER_US    SP_SEC(3)
#define ANSWER_MAX   4096
#define CMDLINE_MAX  131072 /* bytes; what is longer is not read to its end */
#define ADMIN_OPTION "admin"

static const char *const programs[] = {"sallyport-server", "sallyport-client"};

/* One line about it, and the exit status. */
__attribute__((format(printf, 2, 3))) static int verdict(int status, const char *form, ...)
{
    va_list args;

    va_start(args, form);
    vfprintf(status == 0 ? stdout : stderr, form, args);
    va_end(args);
    fputc('\n', status == 0 ? stdout : stderr);
    return status;
}

/* --- the question --------------------------------------------------------------------------- */

/* 1 ready, 0 too late or failed. */
static int wait_for(int fd, short events, uint64_t deadline_us)
{
    struct pollfd p = {.fd = fd, .events = events};
    uint64_t now_us = sp_clock_us();
    int n;

    do
        n = now_us < deadline_us ? poll(&p, 1, (int)((deadline_us - now_us) / 1000) + 1) : 0;
    while (n < 0 && errno == EINTR);
    if (n == 0)
        errno = ETIMEDOUT;
    return n > 0;
}

/* The whole answer, at most `cap` bytes of it; -1: errno says why. */
static ssize_t exchange(int fd, const char *request, char *out, size_t cap)
{
    uint64_t deadline_us = sp_clock_us() + ANSWER_US;
    size_t len = 0;
    ssize_t n;

    if (!wait_for(fd, POLLOUT, deadline_us))
        return -1;
    errno = sp_sock_error(fd);
    if (errno != 0 || send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        return -1;
    while (len < cap) {
        if (!wait_for(fd, POLLIN, deadline_us))
            return -1;
        n = recv(fd, out + len, cap - len, 0);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* The first line of the answer's body decides nothing, but says more than a number. */
static int judge(struct sp_span answer)
{
    struct sp_http_head head;
    size_t used;

    if (sp_http_parse_response(answer, &head, &used) != 0)
        return verdict(1, "not well: the admin port does not answer by HTTP");
    struct sp_span body = sp_span_skip(answer, used);
    const uint8_t *end = memchr(body.p, '\n', body.len);
    int len = (int)(end != NULL ? (size_t)(end - body.p) : body.len);
    if (head.status != 200)
        return verdict(1, "not well: status %u, %.*s", head.status, len, (const char *)body.p);
    return verdict(0, "well: %.*s", len, (const char *)body.p);
}

/* Who listens everywhere is asked on loopback. */
static struct sp_addr reachable(struct sp_addr a)
{
    struct sp_addr loopback;

    if (sp_addr_is_any(&a) &&
        sp_addr_parse(a.family == SP_IPV4 ? "127.0.0.1:0" : "[::1]:0", &loopback) == 0) {
        loopback.port = a.port;
        a = loopback;
    }
    return a;
}

static int ask(const char *admin)
{
    char request[256], answer[ANSWER_MAX], text[SP_ADDR_STRLEN];
    struct sp_addr addr;
    int fd;

    if (sp_addr_parse(admin, &addr) != 0 || addr.port == 0)
        return verdict(2, "--admin %s: wants a port that can be asked, such as 127.0.0.1:9641",
                       admin);
    addr = reachable(addr);
    sp_addr_format(&addr, text);
    if (sp_sock_connect(&addr, &fd) != 0)
        return verdict(
            1, "not well: cannot connect to the admin port %s: %m; --admin names another", text);
    snprintf(request, sizeof request,
             "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", text);
    ssize_t n = exchange(fd, request, answer, sizeof answer);
    int status =
        n < 0 ? verdict(1, "not well: no answer from the admin port %s: %m; --admin names another",
                        text)
              : judge(sp_span(answer, (size_t)n));
    close(fd);
    return status;
}

/* --- where to ask --------------------------------------------------------------------------- */

static const struct sp_option *admin_option(const struct sp_options_spec *run)
{
    for (size_t i = 0; i < run->n; i++)
        if (strcmp(run->table[i].name, ADMIN_OPTION) == 0)
            return &run->table[i];
    abort();
}

static int check(const char *program, const struct sp_options_spec *run, bool runs, int argc,
                 char **argv)
{
    struct sp_options *o;
    char why[SP_OPTIONS_ERR_MAX];
    int status;

    if (sp_options_parse(run, argc, argv, environ, &o, why) != 0)
        return verdict(2, "%s: %s", program, why);
    const char *admin = sp_options_get(o, ADMIN_OPTION, admin_option(run)->preset);
    if (strcmp(admin, "none") == 0) {
        status = runs ? verdict(0, "it runs; --admin none: nobody can be asked for more")
                      : verdict(2, "--admin none: nobody can be asked; give ADDR:PORT");
    } else {
        status = ask(admin);
    }
    sp_options_free(o);
    return status;
}

/* --- another process ------------------------------------------------------------------------ */

/* One of the programs that an argument names, also by a path; NULL. */
static const char *program_of(const char *arg)
{
    const char *slash = strrchr(arg, '/');

    for (size_t i = 0; i < SP_ARRAY_LEN(programs); i++)
        if (strcmp(slash != NULL ? slash + 1 : arg, programs[i]) == 0)
            return programs[i];
    return NULL;
}

/* Arguments, each followed by a NUL, and one more at the end. -1: errno says why. */
static ssize_t read_cmdline(const char *pid, char *out, size_t cap)
{
    char path[64];
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = read(fd, out, cap - 1);
    close(fd);
    if (n >= 0)
        out[n] = '\0';
    return n;
}

/* The value of that option, in this argument or in the next one, which is NULL at the end. */
static char *value_of(char *arg, char *next, const char *name)
{
    size_t len = strlen(name);

    if (strncmp(arg, "--", 2) != 0 || strncmp(arg + 2, name, len) != 0)
        return NULL;
    if (arg[2 + len] == '=')
        return arg + 2 + len + 1;
    return arg[2 + len] == '\0' ? next : NULL;
}

/* With those of its arguments, from `p` to `end`, that say where to ask: the last of each. */
static int check_with(const char *program, const struct sp_options_spec *run, char *p, char *end)
{
    char admin_name[] = "--" ADMIN_OPTION, config_name[] = "--config";
    char *argv[] = {(char *)program, NULL, NULL, NULL, NULL, NULL};
    char *admin = NULL, *config = NULL, *next;
    int argc = 1;

    for (; p < end; p = next) {
        next = p + strlen(p) + 1;
        char *behind = next < end ? next : NULL, *value;
        if ((value = value_of(p, behind, ADMIN_OPTION)) != NULL)
            admin = value;
        else if ((value = value_of(p, behind, "config")) != NULL)
            config = value;
    }
    if (admin != NULL) {
        argv[argc++] = admin_name;
        argv[argc++] = admin;
    }
    if (config != NULL) {
        argv[argc++] = config_name;
        argv[argc++] = config;
    }
    return check(program, run, true, argc, argv);
}

static int check_process(const char *program, const struct sp_options_spec *run, char *pid)
{
    char *cmdline = malloc(CMDLINE_MAX), *p = cmdline;
    ssize_t n = cmdline == NULL ? -1 : read_cmdline(pid, cmdline, CMDLINE_MAX);
    const char *name = NULL;
    int status;

    /* It may stand behind an init of the engine's: "/sbin/docker-init -- sallyport-server". */
    for (; n > 0 && p < cmdline + n && name == NULL; p += strlen(p) + 1)
        name = program_of(p);
    if (n < 0) {
        status = verdict(1, "not well: cannot read what process %s was started with: %m", pid);
    } else if (name == NULL) {
        status = verdict(2, "process %s is neither %s nor %s: name the port with --admin", pid,
                         programs[0], programs[1]);
    } else if (strcmp(name, program) == 0) {
        status = check_with(program, run, p, cmdline + n);
    } else {
        execlp(name, name, "healthcheck", pid, (char *)NULL);
        status = verdict(1, "process %s is %s, which cannot be started to ask it: %m", pid, name);
    }
    free(cmdline);
    return status;
}

int sp_health_main(const char *program, const struct sp_options_spec *run, int argc, char **argv)
{
    uint64_t pid;

    if (argc == 2 && sp_option_parse_number(argv[1], 1, INT32_MAX, &pid) == 0)
        return check_process(program, run, argv[1]);
    return check(program, run, false, argc, argv);
}
