/* test.h - what every unit test includes: cmocka and the few checks it lacks. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

/* Compare slices, and show both when they differ. */
#define assert_str(got, want) assert_str_((got), (want), __FILE__, __LINE__)
static inline void assert_str_(struct str got, struct str want, const char *file, int line)
{
	if (str_eq(got, want))
		return;
	print_error("got  \"%.*s\"\nwant \"%.*s\"\n", STRF(got), STRF(want));
	_fail(file, line);
}
#define assert_strz(got, want_z) assert_str((got), str_of(want_z))
