/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/program.h"

#include <errno.h>
#include <string.h>

#include "program_impl.h"
#include "sallyport/bytes.h"
#include "sallyport/crypto.h"
#include "sallyport/process.h"

/* --- commands that every program has -------------------------------------------------------- */

static const struct sp_options_spec manual_options = {
    .usage = "manual", .about = "Prints the manual page: pipe it to `man -l -`."};
static const struct sp_options_spec completion_options = {
    .usage = "completion", .about = "Prints what bash sources to complete this program."};

static const struct teller {
    struct sp_command command;
    void (*tell)(const struct sp_program *p, FILE *out);
} tellers[SP_PROGRAM_N_BUILTIN] = {
    {{.name = "manual", .spec = &manual_options}, sp_program_manual},
    {{.name = "completion", .spec = &completion_options}, sp_program_completion},
};

const struct sp_command *sp_program_command(const struct sp_program *p, size_t i)
{
    if (i < p->n)
        return &p->commands[i];
    return i < p->n + SP_PROGRAM_N_BUILTIN ? &tellers[i - p->n].command : NULL;
}

static int tell(const struct sp_program *p, const struct sp_command *c)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(tellers); i++)
        if (c == &tellers[i].command)
            tellers[i].tell(p, stdout);
    if (fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "%s: cannot print it: %s\n", p->name, strerror(errno));
    return 1;
}

/* --- the whole ------------------------------------------------------------------------------ */

static void help(const struct sp_program *p, const struct sp_command *c, bool all)
{
    const struct sp_command *other;
    struct sp_options_spec spec = *c->spec;
    char usage[128];

    if (c->run == NULL && c->raw == NULL) { /* a teller's does not know whose it is */
        snprintf(usage, sizeof usage, "%s %s", p->name, c->spec->usage);
        spec.usage = usage;
    }
    sp_options_help(&spec, all, stdout);
    if (c != &p->commands[0])
        return;
    printf("%sOther commands (each has --help):", all ? "\n" : "");
    for (size_t i = 1; (other = sp_program_command(p, i)) != NULL; i++)
        printf(" %s", other->name);
    printf("\n");
}

static int run(const struct sp_program *p, const struct sp_command *c, int argc, char **argv,
               char **env)
{
    struct sp_options *o;
    char why[SP_OPTIONS_ERR_MAX];
    bool all;

    if (c->raw != NULL && !(argc > 1 && strncmp(argv[1], "--help", 7) == 0))
        return c->raw(argc, argv);
    if (sp_options_parse(c->spec, argc, argv, env, &o, why) != 0) {
        fprintf(stderr, "%s: %s\n", p->name, why);
        return 2;
    }
    if (sp_options_wants_help(o, &all)) {
        help(p, c, all);
    } else if (sp_options_switch(o, "version")) {
        printf("%s %s, %s\n", p->name, SALLYPORT_VERSION, sp_crypto_describe());
    } else if (c->run != NULL) {
        return c->run(o);
    } else {
        sp_options_free(o);
        return tell(p, c);
    }
    sp_options_free(o);
    return 0;
}

static int no_such_command(const struct sp_program *p, const char *name)
{
    const struct sp_command *c;

    fprintf(stderr, "%s: no command \"%.40s\": there is ", p->name, name);
    for (size_t i = 0; (c = sp_program_command(p, i)) != NULL; i++)
        fprintf(stderr, i == 0 ? "%s (the default)" : ", %s", c->name);
    fputc('\n', stderr);
    return 2;
}

int sp_program_main(const struct sp_program *p, int argc, char **argv, char **env)
{
    const struct sp_command *c;

    sp_process_prepare();
    if (argc < 2 || argv[1][0] == '-')
        return run(p, &p->commands[0], argc, argv, env);
    for (size_t i = 0; (c = sp_program_command(p, i)) != NULL; i++)
        if (strcmp(argv[1], c->name) == 0)
            return run(p, c, argc - 1, argv + 1, env);
    return no_such_command(p, argv[1]);
}
