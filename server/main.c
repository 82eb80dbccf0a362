/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <unistd.h>

#include "credentials.h"
#include "edge.h"
#include "sallyport/bytes.h"
#include "sallyport/health.h"
#include "sallyport/program.h"

static int run(struct sp_options *options)
{
    struct sp_edge_config config;
    char why[SP_OPTIONS_ERR_MAX];

    if (sp_edge_config_init(&config, options, why) != 0) {
        fprintf(stderr, "sallyport-server: %s\n", why);
        return 2;
    }
    int status = sp_edge_run(&config);
    sp_edge_config_fini(&config);
    return status;
}

static int healthcheck(int argc, char **argv)
{
    return sp_health_main("sallyport-server", &sp_edge_options, argc, argv);
}

static const struct sp_command commands[] = {
    {.name = "run", .spec = &sp_edge_options, .run = run},
    {.name = "credentials", .spec = &sp_credentials_options, .run = sp_credentials_run},
    {.name = "healthcheck", .raw = healthcheck},
};

static const struct sp_program program = {
    .name = "sallyport-server",
    .commands = commands,
    .n = SP_ARRAY_LEN(commands),
};

int main(int argc, char **argv)
{
    return sp_program_main(&program, argc, argv, environ);
}
