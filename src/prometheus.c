/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/prometheus.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sallyport/crypto.h"
#include "sallyport/process.h"

void sp_prometheus_init(struct sp_prometheus *p, struct sp_buf *out)
{
    *p = (struct sp_prometheus){.out = out};
}

__attribute__((format(printf, 2, 3))) static void put(struct sp_prometheus *p, const char *form,
                                                      ...)
{
    va_list args, again;

    va_start(args, form);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, form, args);
    uint8_t *to = len < 0 ? NULL : sp_buf_reserve(p->out, (size_t)len + 1);
    if (to == NULL) {
        p->failed = true;
    } else {
        vsnprintf((char *)to, (size_t)len + 1, form, again);
        sp_buf_commit(p->out, (size_t)len);
    }
    va_end(again);
    va_end(args);
}

/* HELP, TYPE, and the sample's name with its labels. */
static void begin(struct sp_prometheus *p, const char *prefix, const struct sp_sample *s)
{
    if (p->last == NULL || strcmp(p->last, s->name) != 0) {
        put(p, "# HELP %s%s %s\n", prefix, s->name, s->help != NULL ? s->help : "");
        put(p, "# TYPE %s%s %s\n", prefix, s->name, s->kind == SP_IS_GAUGE ? "gauge" : "counter");
    }
    p->last = s->name;
    if (s->labels != NULL)
        put(p, "%s%s{%s} ", prefix, s->name, s->labels);
    else
        put(p, "%s%s ", prefix, s->name);
}

void sp_prometheus_sample(struct sp_prometheus *p, const struct sp_sample *s, uint64_t value)
{
    begin(p, SP_PROMETHEUS_PREFIX, s);
    put(p, "%" PRIu64 "\n", value);
}

static void put_us(struct sp_prometheus *p, uint64_t us)
{
    put(p, "%" PRIu64 ".%06" PRIu64 "\n", us / 1000000, us % 1000000);
}

void sp_prometheus_seconds(struct sp_prometheus *p, const struct sp_sample *s, uint64_t us)
{
    begin(p, SP_PROMETHEUS_PREFIX, s);
    put_us(p, us);
}

void sp_prometheus_table(struct sp_prometheus *p, const struct sp_counter *table, size_t n,
                         const void *base)
{
    for (size_t i = 0; i < n; i++) {
        const struct sp_counter *c = &table[i];
        const struct sp_sample s = {c->kind, c->metric, c->labels, c->help};
        sp_prometheus_sample(p, &s, sp_counter_value(c, base));
    }
}

void sp_prometheus_groups(struct sp_prometheus *p, const struct sp_counter_group *groups, size_t n,
                          const void *base)
{
    for (size_t i = 0; i < n; i++)
        sp_prometheus_table(p, groups[i].table, groups[i].n, (const char *)base + groups[i].offset);
}

const char *sp_prometheus_label(const char *name, const char *value, char out[static SP_LABEL_MAX])
{
    size_t len = (size_t)snprintf(out, SP_LABEL_MAX, "%s=\"", name);

    /* Room for an escaped letter, the quote, and the NUL. What is no ASCII is left out: a name that
     * is cut in the middle of a letter would make the whole answer unreadable. */
    for (; *value != '\0' && len + 4 <= SP_LABEL_MAX; value++) {
        if (*value == '"' || *value == '\\')
            out[len++] = '\\';
        out[len++] = *value >= ' ' && *value < 0x7f ? *value : '?';
    }
    snprintf(out + len, SP_LABEL_MAX - len, "\"");
    return out;
}

void sp_prometheus_build_info(struct sp_prometheus *p)
{
    char version[SP_LABEL_MAX], crypto[SP_LABEL_MAX], labels[2 * SP_LABEL_MAX + 1];
    const struct sp_sample s = {SP_IS_GAUGE, "build_info", labels,
                                "What this is made of, in its labels; always 1."};

    snprintf(labels, sizeof labels, "%s,%s",
             sp_prometheus_label("version", SALLYPORT_VERSION, version),
             sp_prometheus_label("crypto", sp_crypto_describe(), crypto));
    sp_prometheus_sample(p, &s, 1);
}

/* --- the process ---------------------------------------------------------------------------- */

/* Left out when it is 0: not known. */
static void gauge(struct sp_prometheus *p, const char *name, const char *help, uint64_t value)
{
    if (value == 0)
        return;
    begin(p, "", &(struct sp_sample){SP_IS_GAUGE, name, NULL, help});
    put(p, "%" PRIu64 "\n", value);
}

void sp_prometheus_process(struct sp_prometheus *p, uint64_t start_unix_s)
{
    struct sp_process_usage u;

    sp_process_usage(&u);
    begin(p, "",
          &(struct sp_sample){SP_IS_COUNTER, "process_cpu_seconds_total", NULL,
                              "Processor time, in user and kernel mode."});
    put_us(p, u.cpu_us);
    gauge(p, "process_resident_memory_bytes", "Memory that is in RAM.", u.resident_bytes);
    gauge(p, "process_virtual_memory_bytes", "Memory that is mapped.", u.virtual_bytes);
    gauge(p, "process_open_fds", "Descriptors that are open.", u.open_fds);
    gauge(p, "process_max_fds", "Descriptors that may be open at once.", u.max_fds);
    gauge(p, "process_start_time_seconds", "When it started, in seconds since 1970.", start_unix_s);
}
