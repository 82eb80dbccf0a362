/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway.h"
#include "sallyport/crypto.h"
#include "sallyport/health.h"
#include "sallyport/process.h"

static const char *get_env(const char *name)
{
    return getenv(name);
}

static int refuse(const char *why)
{
    fprintf(stderr, "sallyport-client: %s\n", why);
    return 2;
}

static int run(int argc, char **argv)
{
    struct sp_gateway_config config;
    struct sp_options *options;
    char why[SP_OPTIONS_ERR_MAX];
    int status = 0;

    if (sp_options_parse(&sp_gateway_options, argc, argv, environ, &options, why) != 0)
        return refuse(why);
    if (sp_options_switch(options, "help")) {
        sp_options_help(&sp_gateway_options, stdout);
        sp_options_free(options);
    } else if (sp_options_switch(options, "version")) {
        printf("sallyport-client %s, %s\n", SALLYPORT_VERSION, sp_crypto_describe());
        sp_options_free(options);
    } else if (sp_gateway_config_init(&config, options, get_env, why) != 0) {
        status = refuse(why);
    } else {
        status = sp_gateway_run(&config);
        sp_gateway_config_fini(&config);
    }
    return status;
}

int main(int argc, char **argv)
{
    sp_process_prepare();
    if (argc < 2 || argv[1][0] == '-')
        return run(argc, argv);
    if (strcmp(argv[1], "run") == 0)
        return run(argc - 1, argv + 1);
    if (strcmp(argv[1], "healthcheck") == 0)
        return sp_health_main("sallyport-client", &sp_gateway_options, argc - 1, argv + 1);
    fprintf(stderr, "sallyport-client: no command \"%s\": run (the default) or healthcheck\n",
            argv[1]);
    return 2;
}
