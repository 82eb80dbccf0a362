/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/program.h"

#include <stdio.h>
#include <string.h>

#include "sallyport/crypto.h"
#include "sallyport/process.h"

static int run(const struct sp_program *p, const struct sp_command *c, int argc, char **argv,
               char **env)
{
    struct sp_options *o;
    char why[SP_OPTIONS_ERR_MAX];
    bool all;

    if (c->raw != NULL)
        return c->raw(argc, argv);
    if (sp_options_parse(c->spec, argc, argv, env, &o, why) != 0) {
        fprintf(stderr, "%s: %s\n", p->name, why);
        return 2;
    }
    if (sp_options_wants_help(o, &all)) {
        sp_options_help(c->spec, all, stdout);
    } else if (sp_options_switch(o, "version")) {
        printf("%s %s, %s\n", p->name, SALLYPORT_VERSION, sp_crypto_describe());
    } else {
        return c->run(o);
    }
    sp_options_free(o);
    return 0;
}

static int no_such_command(const struct sp_program *p, const char *name)
{
    fprintf(stderr, "%s: no command \"%.40s\": there is %s (the default)", p->name, name,
            p->commands[0].name);
    for (size_t i = 1; i < p->n; i++)
        fprintf(stderr, ", %s", p->commands[i].name);
    fputc('\n', stderr);
    return 2;
}

int sp_program_main(const struct sp_program *p, int argc, char **argv, char **env)
{
    sp_process_prepare();
    if (argc < 2 || argv[1][0] == '-')
        return run(p, &p->commands[0], argc, argv, env);
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(argv[1], p->commands[i].name) == 0)
            return run(p, &p->commands[i], argc - 1, argv + 1, env);
    return no_such_command(p, argv[1]);
}
