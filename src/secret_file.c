/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sallyport/err.h"

__attribute__((format(printf, 3, 4))) static int fail(char *why, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, SP_SECRET_ERR_MAX, fmt, ap);
    va_end(ap);
    return err;
}

bool sp_secret_fd_is_public(int fd)
{
    struct stat st;
    struct statvfs fs;

    if (fstat(fd, &st) < 0)
        return true;
    return (st.st_mode & (S_IROTH | S_IWOTH)) != 0 &&
           (fstatvfs(fd, &fs) < 0 || !(fs.f_flag & ST_RDONLY));
}

void sp_secrets_fini(struct sp_secrets *s)
{
    if (s->mem)
        explicit_bzero(s->mem, s->mem_len);
    free(s->mem);
    free(s->items);
    *s = (struct sp_secrets){.n = 0};
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next line without the white space around it. False at the end. */
static bool next_line(struct sp_span *text, struct sp_span *line)
{
    const uint8_t *newline;

    if (text->len == 0)
        return false;
    newline = memchr(text->p, '\n', text->len);
    *line = newline ? sp_span(text->p, (size_t)(newline - text->p)) : *text;
    *text = sp_span_skip(*text, line->len + (newline ? 1 : 0));
    while (line->len > 0 && is_blank(line->p[0]))
        *line = sp_span_skip(*line, 1);
    while (line->len > 0 && is_blank(line->p[line->len - 1]))
        line->len--;
    return true;
}

static bool counts(struct sp_span line)
{
    return line.len > 0 && line.p[0] != '#';
}

/* The control character that most likely hides here is the NUL of a UTF-16 file. */
static bool has_control(struct sp_span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.p[i] < ' ' || line.p[i] == 0x7f)
            return true;
    return false;
}

/* Finds the lines in s->mem. */
static int split(const char *name, struct sp_secrets *s, char *why)
{
    struct sp_span text = sp_span(s->mem, s->mem_len), line, rest;
    size_t n = 0, number = 0;

    if (text.len >= 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0) /* some editors' first bytes */
        text = sp_span_skip(text, 3);
    for (rest = text; next_line(&rest, &line);) {
        number++;
        if (has_control(line))
            return fail(why, SP_EINVAL,
                        "%s: line %zu holds control characters, only plain text is allowed", name,
                        number);
        n += counts(line);
    }
    if (n == 0)
        return fail(why, SP_EINVAL, "%s: nothing in it: wants a line of text", name);
    s->items = calloc(n, sizeof(*s->items));
    if (!s->items)
        return fail(why, SP_ENOMEM, "%s: out of memory", name);
    for (rest = text; next_line(&rest, &line);)
        if (counts(line))
            s->items[s->n++] = line;
    return 0;
}

/* Takes over `mem`, also when it fails. */
static int adopt(const char *name, char *mem, size_t len, struct sp_secrets *out, char *why)
{
    struct sp_secrets s = {.mem = mem, .mem_len = len};
    int err = split(name, &s, why);

    if (err < 0) {
        sp_secrets_fini(&s);
        return err;
    }
    *out = s;
    return 0;
}

int sp_secrets_from_text(const char *name, struct sp_span text, struct sp_secrets *out,
                         char why[static SP_SECRET_ERR_MAX])
{
    char *mem = malloc(text.len + 1);

    if (!mem)
        return fail(why, SP_ENOMEM, "%s: out of memory", name);
    if (text.len > 0)
        memcpy(mem, text.p, text.len);
    return adopt(name, mem, text.len, out, why);
}

/* As many bytes as there are, up to `cap`; -1: errno says why. */
static ssize_t read_all(int fd, char *out, size_t cap)
{
    size_t len = 0;

    while (len < cap) {
        ssize_t n = read(fd, out + len, cap - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static int read_open(const char *path, int fd, struct sp_secrets *out, char *why)
{
    struct stat st;
    size_t cap;
    ssize_t n;
    char *mem;

    if (fstat(fd, &st) < 0)
        return fail(why, SP_ESYS, "%s: cannot be read: %m", path);
    if (!S_ISREG(st.st_mode))
        return fail(why, SP_EINVAL, "%s: not an ordinary file", path);
    if (sp_secret_fd_is_public(fd))
        return fail(why, SP_EDENIED,
                    "%s: open to everyone (mode %04o), but holds secrets: chmod 600 %s", path,
                    (unsigned)st.st_mode & 07777, path);
    if (st.st_size > SP_SECRET_FILE_MAX)
        return fail(why, SP_EINVAL, "%s: longer than %d bytes", path, SP_SECRET_FILE_MAX);
    cap = (size_t)st.st_size + 1; /* one more: to see that it did not grow */
    mem = malloc(cap);
    if (!mem)
        return fail(why, SP_ENOMEM, "%s: out of memory", path);
    n = read_all(fd, mem, cap);
    if (n < 0 || (size_t)n == cap) {
        int err = n < 0 ? fail(why, SP_ESYS, "%s: cannot be read: %m", path)
                        : fail(why, SP_EINVAL, "%s: was written while being read: try again", path);

        explicit_bzero(mem, cap);
        free(mem);
        return err;
    }
    return adopt(path, mem, (size_t)n, out, why);
}

int sp_secret_file_read(const char *path, struct sp_secrets *out,
                        char why[static SP_SECRET_ERR_MAX])
{
    /* O_NONBLOCK: a FIFO must not hold us up before fstat can tell that it is one */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int err;

    if (fd < 0)
        return fail(why, SP_ESYS, "%s: cannot be read: %m", path);
    err = read_open(path, fd, out, why);
    close(fd);
    return err;
}
