/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the service manager how far we are, by the protocol of sd_notify(3): a datagram to the
 * socket that NOTIFY_SOCKET in the environment names. Knows nothing of what the states mean.
 */
#ifndef SALLYPORT_NOTIFY_H
#define SALLYPORT_NOTIFY_H

#define SP_NOTIFY_READY    "READY=1"
#define SP_NOTIFY_STOPPING "STOPPING=1"

/* Never blocks, and fails silently: a manager that does not listen changes nothing for us. Without
 * NOTIFY_SOCKET it does nothing. */
void sp_notify(const char *state);

#endif
