/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apart.h"

#include <sys/wait.h>
#include <unistd.h>

#include "require.h"

int apart(apart_fn *fn, void *arg)
{
    int status;
    pid_t pid = fork();

    REQUIRE(pid >= 0);
    if (pid == 0)
        _exit(fn(arg));
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
