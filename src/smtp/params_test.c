#include "smtp/params.h"

#include "base/test.h"
#include <stdio.h>

static void test_mail(void **state)
{
	static const struct {
		const char *in;
		unsigned code; /* 0: taken */
		uint64_t size;
		const char *dsn;
	} rows[] = {
		{ "", 0, 0, "" },
		{ " ", 0, 0, "" },
		{ " SIZE=1000", 0, 1000, "" },
		{ "  size=1000   BODY=8bitmime ", 0, 1000, "" },
		{ " SIZE=18446744073709551615", 0, UINT64_MAX, "" },
		{ " SIZE=18446744073709551616", 501, 0, "" },
		{ " SIZE=", 501, 0, "" },
		{ " SIZE", 501, 0, "" },
		{ " SIZE=-1", 501, 0, "" },
		{ " SIZE=1 SIZE=1", 501, 0, "" },
		{ "SIZE=1", 501, 0, "" },
		{ " BODY=7BIT", 0, 0, "" },
		{ " BODY=BINARYMIME", 501, 0, "" },
		{ " SMTPUTF8", 0, 0, "" },
		{ " SMTPUTF8=1", 501, 0, "" },
		{ " RET=hdrs ENVID=a+2Bb", 0, 0, "ENVID=a+2Bb RET=HDRS" },
		{ " RET=SOME", 501, 0, "" },
		{ " ENVID=a+2bb", 501, 0, "" }, /* lower case hexadecimal */
		{ " ENVID=a+", 501, 0, "" },
		{ " ENVID=a+0D+0A", 501, 0, "" }, /* hides CR LF */
		{ " ENVID=a=b", 501, 0, "" },
		{ " ENVID=", 501, 0, "" },
		{ " AUTH=<>", 0, 0, "" },
		{ " AUTH=e+3Dmc2@example.com", 0, 0, "" },
		{ " AUTH=", 501, 0, "" },
		{ " NOTIFY=NEVER", 555, 0, "" }, /* RCPT's */
		{ " HOLDFOR=1", 555, 0, "" },
	};
	struct arena a = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct mail_params p;
		struct reply why = { 0 };
		struct rcpt_params none = { STR_NONE, STR_NONE };
		bool ok = mail_params_parse(str_of(rows[i].in), &p, &why);
		if (ok != (rows[i].code == 0) || (!ok && why.code != rows[i].code))
			fail_msg("%s: %u", rows[i].in, why.code);
		if (!ok)
			continue;
		assert_true(p.size == rows[i].size);
		assert_strz(params_dsn(&a, &p, &none), rows[i].dsn);
	}
	arena_reset(&a);
}

static void test_envid_length(void **state)
{
	char z[120];
	struct mail_params p;
	struct reply why;
	(void)state;
	for (size_t n = 99; n <= 101; n++) {
		snprintf(z, sizeof z, " ENVID=%0*d", (int)n, 0);
		assert_int_equal(mail_params_parse(str_of(z), &p, &why), n <= 100);
	}
}

static void test_rcpt(void **state)
{
	static const struct {
		const char *in;
		bool utf8;
		unsigned code;
		const char *dsn;
	} rows[] = {
		{ " NOTIFY=NEVER", false, 0, "NOTIFY=NEVER" },
		{ " NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@x.example", false, 0,
		  "NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@x.example" },
		{ " NOTIFY=NEVER,DELAY", false, 501, "" },
		{ " NOTIFY=DELAY,DELAY", false, 501, "" },
		{ " NOTIFY=DELAY,", false, 501, "" },
		{ " NOTIFY=", false, 501, "" },
		{ " ORCPT=a@x.example", false, 501, "" },
		{ " ORCPT=;a@x.example", false, 501, "" },
		{ " ORCPT=rfc822;", false, 501, "" },
		{ " ORCPT=utf-8;\xc3\xa9@x.example", true, 0, "ORCPT=utf-8;\xc3\xa9@x.example" },
		{ " ORCPT=utf-8;\xc3\xa9@x.example", false, 501, "" },
		{ " ORCPT=utf-8;\xc3@x.example", true, 501, "" },
		{ " ORCPT=rfc822;\xc3\xa9@x.example", true, 501, "" },
		{ " ORCPT=rfc822;+C3+A9@x.example", false, 0, "ORCPT=rfc822;+C3+A9@x.example" },
		{ " ORCPT=rfc822;+0D+0A@x.example", false, 501, "" },
		{ " SIZE=1", false, 555, "" },
	};
	struct arena a = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rcpt_params p;
		struct mail_params none = { .envid = STR_NONE, .ret = STR_NONE };
		struct reply why = { 0 };
		bool ok = rcpt_params_parse(str_of(rows[i].in), rows[i].utf8, &p, &why);
		if (ok != (rows[i].code == 0) || (!ok && why.code != rows[i].code))
			fail_msg("%s: %u", rows[i].in, why.code);
		if (ok)
			assert_strz(params_dsn(&a, &none, &p), rows[i].dsn);
	}
	arena_reset(&a);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_envid_length),
		cmocka_unit_test(test_rcpt),
	};
	return cmocka_run_group_tests(all, NULL, NULL);
}
