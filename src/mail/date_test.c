#include "mail/date.h"

#include "base/test.h"

#define BAD INT64_MIN

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		int64_t s;
		int zone;
	} rows[] = {
		/* clang-format off */
		{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360 },
		{ "Thu, 1 Jan 1970 00:00:00 +0000", 0, 0 },
		{ "1 Jan 1970 00:00:00 GMT", 0, 0 },
		{ "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)",
		  -27723480, -210 },
		{ "21 Nov 97 09:55:06 GMT", 880106106, 0 },
		{ "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360 },
		{ " Fri, 21 Nov 1997 09:55:06 -0600 (CST)", 880127706, -360 },
		{ "Tue, 1 Jul 2003 10:52:37 +0200", 1057049557, 120 },
		{ "Sat, 29 Feb 2020 12:00:00 +0000", 1582977600, 0 },
		{ "31 Dec 2016 23:59:60 +0000", 1483228800, 0 },
		{ "21 Nov 1997 09:55:06 EST", 880124106, -300 },
		{ "21 Nov 1997 09:55:06 pdt", 880131306, -420 },
		{ "21 Nov 1997 09:55:06 Z", 880106106, 0 },
		{ "21 Nov 1997 09:55:06 A", 880106106, 0 },
		{ "21 Nov 1997 09:55:06 CEST", 880106106, 0 },
		{ "21 Nov 1997 09:55:06", 880106106, 0 },
		{ "21 Nov 1997 09:55 +0000", 880106100, 0 },
		{ "21 November 1997 09:55:06 +0000", 880106106, 0 },
		{ "21-Nov-1997 09:55:06 +0000", 880106106, 0 },
		{ "FRI, 21 nov 1997 9:55:06 +0000", 880106106, 0 },
		{ "Fri 21 Nov 1997 09:55:06 +0000", 880106106, 0 },
		{ "Mon, 21 Nov 1997 09:55:06 +0000", 880106106, 0 }, /* it was a Friday */
		{ "21 Nov 49 09:55:06 +0000", 2521101306, 0 },
		{ "21 Nov 50 09:55:06 +0000", -603122694, 0 },
		{ "21 Nov 103 09:55:06 +0000", 1069408506, 0 },
		{ "1 Mar 2100 00:00:00 +0000", 4107542400, 0 },
		{ "31 Dec 9999 23:59:59 +0000", 253402300799, 0 },
		{ "29 Feb 2021 12:00:00 +0000", BAD, 0 },
		{ "29 Feb 1900 12:00:00 +0000", BAD, 0 },
		{ "31 Apr 2021 12:00:00 +0000", BAD, 0 },
		{ "0 Apr 2021 12:00:00 +0000", BAD, 0 },
		{ "32 Jan 2021 12:00:00 +0000", BAD, 0 },
		{ "1 Foo 2021 12:00:00 +0000", BAD, 0 },
		{ "1 Jan 2021 24:00:00 +0000", BAD, 0 },
		{ "1 Jan 2021 12:60:00 +0000", BAD, 0 },
		{ "1 Jan 2021 12:00:61 +0000", BAD, 0 },
		{ "1 Jan 2021 12 +0000", BAD, 0 },
		{ "1 Jan 2021 12:00:00 +00", BAD, 0 },
		{ "1 Jan 2021 12:00:00 +00x0", BAD, 0 },
		{ "1 Jan 2021 12:00:00 +0099", BAD, 0 },
		{ "1 Jan 99999 12:00:00 +0000", BAD, 0 },
		{ "1 Jan 5 12:00:00 +0000", BAD, 0 },
		{ "1 Jan 1021 12:00:00 +0000", BAD, 0 },
		{ "21 Nov 0097 09:55:06 +0000", 880106106, 0 },
		{ "1 Jan", BAD, 0 },
		{ "", BAD, 0 },
		{ "garbage", BAD, 0 },
		{ "2021-01-01T12:00:00Z", BAD, 0 },
		/* clang-format on */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t ms = 0;
		int zone = 0;
		bool ok = date_parse(str_of(rows[i].in), &ms, &zone);
		if (ok != (rows[i].s != BAD) || (ok && (ms != rows[i].s * 1000 || zone != rows[i].zone)))
			fail_msg("%s: %s %lld %d", rows[i].in, ok ? "read" : "refused", (long long)ms, zone);
	}
	int64_t ms;
	assert_true(date_parse(STR("1 Jan 1970 00:00:01 +0000"), &ms, NULL));
}

static void test_print(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *mail, *imap, *iso;
	} rows[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 +0000", " 1-Jan-1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z" },
		{ 880127706123, "Fri, 21 Nov 1997 15:55:06 +0000", "21-Nov-1997 15:55:06 +0000",
		  "1997-11-21T15:55:06.123Z" },
		{ 1582977600000, "Sat, 29 Feb 2020 12:00:00 +0000", "29-Feb-2020 12:00:00 +0000",
		  "2020-02-29T12:00:00.000Z" },
		{ -1, "Wed, 31 Dec 1969 23:59:59 +0000", "31-Dec-1969 23:59:59 +0000", "1969-12-31T23:59:59.999Z" },
		{ 4107542399999, "Sun, 28 Feb 2100 23:59:59 +0000", "28-Feb-2100 23:59:59 +0000",
		  "2100-02-28T23:59:59.999Z" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = { 0 };
		date_print(&b, rows[i].ms);
		assert_strz(buf_str(&b), rows[i].mail);
		buf_clear(&b);
		date_print_imap(&b, rows[i].ms);
		assert_strz(buf_str(&b), rows[i].imap);
		buf_clear(&b);
		date_print_3339(&b, rows[i].ms);
		assert_strz(buf_str(&b), rows[i].iso);
		buf_free(&b);
	}
}

/* Every day of four centuries comes back as it was. */
static void test_round(void **state)
{
	(void)state;
	for (int64_t day = -25000; day < 146097 - 25000; day++) {
		struct buf b = { 0 };
		int64_t ms = day * 86400000 + (day * 7919 % 86400) * 1000, back;
		date_print(&b, ms);
		if (!date_parse(buf_str(&b), &back, NULL) || back != ms)
			fail_msg("%.*s", STRF(buf_str(&b)));
		buf_clear(&b);
		date_print_imap(&b, ms);
		if (!date_parse_imap(buf_str(&b), &back) || back != ms)
			fail_msg("%.*s", STRF(buf_str(&b)));
		buf_free(&b);
	}
	struct buf b = { 0 };
	date_print(&b, INT64_MIN); /* nonsense, but no crash */
	date_print(&b, INT64_MAX);
	date_print_3339(&b, INT64_MIN);
	buf_free(&b);
}

static void test_imap(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		int64_t s;
	} rows[] = {
		{ "21-Nov-2026 10:00:00 +0000", 1795255200 },
		{ "\"21-Nov-2026 10:00:00 +0000\"", 1795255200 },
		{ " 1-Jan-1970 00:00:00 +0100", -3600 },
		{ "01-Jan-1970 00:00:00 -0100", 3600 },
		{ "1-Jan-1970 00:00:00 +0000", 0 },
		{ "17-Jul-1996 02:44:25 -0700", 837596665 },
		{ "17-Jul-1996 02:44:25", BAD },
		{ "17-Jul-1996 02:44 -0700", BAD },
		{ "17-Jul-1996 2:44:25 -0700", BAD },
		{ "17-Jul-1996 02:44:25 GMT00", BAD },
		{ "17-Jul-1996 02:44:25 -07000", BAD },
		{ "17-Jul-96 02:44:25 -0700", BAD },
		{ "17-Jul-0096 02:44:25 -0700", BAD },
		{ "17 Jul 1996 02:44:25 -0700", BAD },
		{ "31-Jun-1996 02:44:25 -0700", BAD },
		{ "\"17-Jul-1996 02:44:25 -0700", BAD },
		{ "", BAD },
	};
	static const struct {
		const char *in;
		int64_t s;
	} days[] = {
		{ "1-Feb-1994", 760060800 },
		{ "\"1-Feb-1994\"", 760060800 },
		{ "01-feb-1994", 760060800 },
		{ "1-Feb-94", BAD },
		{ "30-Feb-1994", BAD },
		{ "1-Feb-1994 ", BAD },
		{ "1-February-1994", BAD },
		{ "", BAD },
		{ "\"", BAD },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t ms = 0;
		bool ok = date_parse_imap(str_of(rows[i].in), &ms);
		if (ok != (rows[i].s != BAD) || (ok && ms != rows[i].s * 1000))
			fail_msg("%s: %lld", rows[i].in, (long long)ms);
	}
	for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
		int64_t ms = 0;
		bool ok = date_parse_imap_day(str_of(days[i].in), &ms);
		if (ok != (days[i].s != BAD) || (ok && ms != days[i].s * 1000))
			fail_msg("%s: %lld", days[i].in, (long long)ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_imap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
