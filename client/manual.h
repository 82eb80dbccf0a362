/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the manual page of sallyport-client says beside its options.
 */
#ifndef SALLYPORT_CLIENT_MANUAL_H
#define SALLYPORT_CLIENT_MANUAL_H

#include "sallyport/program.h"

extern const char sp_gateway_summary[];
extern const struct sp_manual_part sp_gateway_manual[];

#endif
