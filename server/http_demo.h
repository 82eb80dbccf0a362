/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to the demo page, on their way from a connection to it and back; and the connections
 * that listen in its rooms.
 */
#ifndef SALLYPORT_SERVER_HTTP_DEMO_H
#define SALLYPORT_SERVER_HTTP_DEMO_H

#include <stdbool.h>

#include "sallyport/bytes.h"

/* Of struct sp_demo_host: the listener is a struct sp_http_conn. */
bool sp_http_demo_send(void *arg, void *listener, struct sp_span text);
void sp_http_demo_close(void *arg, void *listener);

#endif
