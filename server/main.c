/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "credentials.h"
#include "edge.h"
#include "sallyport/crypto.h"
#include "sallyport/health.h"
#include "sallyport/process.h"

static int run(int argc, char **argv)
{
    struct sp_edge_config config;
    struct sp_options *options;
    char why[SP_OPTIONS_ERR_MAX];
    int status = 0;

    if (sp_options_parse(&sp_edge_options, argc, argv, environ, &options, why) != 0) {
        fprintf(stderr, "sallyport-server: %s\n", why);
        return 2;
    }
    if (sp_options_switch(options, "help")) {
        sp_options_help(&sp_edge_options, stdout);
        sp_options_free(options);
    } else if (sp_options_switch(options, "version")) {
        printf("sallyport-server %s, %s\n", SALLYPORT_VERSION, sp_crypto_describe());
        sp_options_free(options);
    } else if (sp_edge_config_init(&config, options, why) != 0) {
        fprintf(stderr, "sallyport-server: %s\n", why);
        status = 2;
    } else {
        status = sp_edge_run(&config);
        sp_edge_config_fini(&config);
    }
    return status;
}

static int healthcheck(int argc, char **argv)
{
    return sp_health_main("sallyport-server", &sp_edge_options, argc, argv);
}

static const struct {
    const char *name;
    int (*fn)(int argc, char **argv);
} commands[] = {
    {"run", run},
    {"credentials", sp_credentials_main},
    {"healthcheck", healthcheck},
};

int main(int argc, char **argv)
{
    sp_process_prepare();
    if (argc < 2 || argv[1][0] == '-')
        return run(argc, argv);
    for (size_t i = 0; i < SP_ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].fn(argc - 1, argv + 1);
    fprintf(stderr,
            "sallyport-server: no command \"%s\": run (the default), credentials or healthcheck\n",
            argv[1]);
    return 2;
}
