/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every table of options has to be, whatever the options.
 */
#ifndef SALLYPORT_TEST_OPTION_TABLE_H
#define SALLYPORT_TEST_OPTION_TABLE_H

#include "sallyport/options.h"

/* Fails the test if --help does not fit a screen of 24 lines by 80 columns, if --help all leaves
 * out an option, if a row has no help or one that is longer than a line, or if a name stands twice.
 */
void option_table_is_sound(const struct sp_options_spec *spec);

#endif
