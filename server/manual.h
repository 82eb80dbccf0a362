/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the manual page of sallyport-server says beside its options.
 */
#ifndef SALLYPORT_SERVER_MANUAL_H
#define SALLYPORT_SERVER_MANUAL_H

#include "sallyport/program.h"

extern const char sp_edge_summary[];
extern const struct sp_manual_part sp_edge_manual[];

#endif
