#include "imap/imap.h"
#include "imap/talk_test.h"

/* METADATA, QUOTA and COMPRESS: what an account has beside its mail. */

static void begin(struct world *w, struct talk *t)
{
	world_open(w);
	w->conf.admin = STR("postmaster@mail.example");
	talk_begin(t, &w->conf);
	buf_clear(&t->out);
}

static void end(struct world *w, struct talk *t)
{
	talk_end(t);
	world_close(w);
}

static void test_metadata(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	SAY(&t, "a GETMETADATA INBOX /private/comment\r\n",
	    "* METADATA INBOX (/private/comment NIL)\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a SETMETADATA INBOX (/Private/Comment \"Mine\" /shared/color/fore red-ish)\r\n",
	    "a BAD Expected a string or NIL at octet 65, found 'r'\r\n");
	SAY(&t,
	    "a SETMETADATA INBOX (/Private/Comment \"Mine\" /shared/color/fore {3}\r\nred /shared/color \"x\" "
	    "/shared/color/fore/deep \"y\")\r\n",
	    "+ ~\r\na OK SETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA inbox (/private/comment /shared/none)\r\n",
	    "* METADATA INBOX (/private/comment \"Mine\" /shared/none NIL)\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA (DEPTH 1) INBOX /shared/color\r\n",
	    "* METADATA INBOX (/shared/color \"x\" /shared/color/fore \"red\")\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA (DEPTH infinity MAXSIZE 2) INBOX (/shared)\r\n",
	    "* METADATA INBOX (/shared/color \"x\" /shared/color/fore/deep \"y\")\r\n"
	    "a OK [METADATA LONGENTRIES 3] GETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA INBOX (MAXSIZE 3) (/private/comment)\r\n",
	    "a OK [METADATA LONGENTRIES 4] GETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA INBOX (DEPTH 0) /private/comment\r\n",
	    "* METADATA INBOX (/private/comment \"Mine\")\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA (DEPTH infinity) INBOX (/private/comment /private /PRIVATE /private/comment)\r\n",
	    "* METADATA INBOX (/private/comment \"Mine\")\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA INBOX (/private/none /private/none)\r\n",
	    "* METADATA INBOX (/private/none NIL)\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a SETMETADATA INBOX (/private/comment \"\")\r\n", "a OK SETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA INBOX /private/comment\r\n",
	    "* METADATA INBOX (/private/comment \"\")\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a SETMETADATA INBOX (/private/comment NIL)\r\n", "a OK SETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA INBOX /private/comment\r\n",
	    "* METADATA INBOX (/private/comment NIL)\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a RENAME INBOX x\r\na LIST \"\" INBOX RETURN (METADATA (/shared/color))\r\n",
	    "a OK RENAME completed\r\n* LIST (\\HasNoChildren) \"/\" INBOX\r\n* METADATA INBOX (/shared/color "
	    "\"x\")\r\n"
	    "a OK LIST completed\r\n");
	SAY(&t, "a GETMETADATA nope /private/comment\r\n", "a NO [NONEXISTENT] No such mailbox\r\n");
	end(&w, &t);
}

static void test_metadata_of_the_server(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	SAY(&t, "a GETMETADATA \"\" (/shared/comment /shared/admin /private/filters)\r\n",
	    "* METADATA \"\" (/shared/comment \"Sluice at mail.example\" /shared/admin "
	    "\"mailto:postmaster@mail.example\" /private/filters NIL)\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a SETMETADATA \"\" (/private/filters/x \"FROM boss\")\r\n", "a OK SETMETADATA completed\r\n");
	SAY(&t, "a GETMETADATA (DEPTH infinity) \"\" /private\r\n",
	    "* METADATA \"\" (/private/filters/x \"FROM boss\")\r\na OK GETMETADATA completed\r\n");
	SAY(&t, "a SETMETADATA \"\" (/shared/comment \"x\")\r\n", "a NO [NOPERM] ~\r\n");
	end(&w, &t);
}

static void test_metadata_bounds(void **state)
{
	static const char *const wrong[] = { "/comment",       "private/x",       "/private",
					     "/private/",      "/private//x",     "\"/private/a b\"",
					     "\"/private/*\"", "\"/private/a%\"", "\"/privat\xc3\xa9/x\"" };
	struct world w;
	struct talk t;
	struct buf in = { 0 };
	(void)state;
	begin(&w, &t);
	w.conf.limits.bad_commands = 100;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		buf_printf(&in, "a SETMETADATA INBOX (%s \"x\")\r\n", wrong[i]);
		talk_feed(&t, buf_str(&in));
		HEAR(&t, "a BAD Expected an entry like /private/comment or /shared/comment at octet 22, found ~\r\n");
		buf_clear(&in);
	}
	buf_addz(&in, "a SETMETADATA INBOX (/private/x {65537}\r\n");
	for (int i = 0; i < 65537; i++)
		buf_addc(&in, 'x');
	buf_addz(&in, ")\r\n");
	talk_feed(&t, buf_str(&in));
	HEAR(&t, "+ ~\r\na NO [METADATA MAXSIZE 65536] A value has at most 65536 octets\r\n");
	buf_clear(&in);
	/* As many as a mailbox may have, and one more. */
	for (unsigned i = 0; i <= ANNOTATIONS_MAX; i++) {
		buf_printf(&in, "a SETMETADATA INBOX (/private/n%u \"x\")\r\n", i);
		talk_feed(&t, buf_str(&in));
		HEAR(&t, i < ANNOTATIONS_MAX ? "a OK SETMETADATA completed\r\n" : "a NO [METADATA TOOMANY] ~\r\n");
		buf_clear(&in);
	}
	buf_addz(&in, "a GETMETADATA INBOX (");
	for (unsigned i = 0; i < 101; i++)
		buf_printf(&in, "%s/private/n%u", i ? " " : "", i);
	buf_addz(&in, ")\r\n");
	talk_feed(&t, buf_str(&in));
	HEAR(&t, "a BAD Expected at most 100 entries at octet #, found '/'\r\n");
	SAY(&t, "a GETMETADATA (MAXSIZE x) INBOX /private/x\r\n",
	    "a BAD Expected a number of octets at octet 24, found 'x'\r\n");
	SAY(&t, "a GETMETADATA (DEPTH 2) INBOX /private/x\r\n",
	    "a BAD Expected 0, 1 or infinity at octet 22, found '2'\r\n");
	buf_free(&in);
	end(&w, &t);
}

static void test_quota(void **state)
{
	struct world w;
	struct talk t;
	struct err e;
	(void)state;
	begin(&w, &t);
	SAY(&t, "a GETQUOTAROOT INBOX\r\n", "* QUOTAROOT INBOX\r\na OK GETQUOTAROOT completed\r\n");
	SAY(&t, "a GETQUOTA you\r\n", "a NO [NONEXISTENT] No such quota root; ~\r\n");
	assert_true(account_quota_set(w.st, STR("you"), 10 << 10, 0, &e));
	world_deliver(&w, "INBOX", "Subject: x\r\n\r\nx\r\n", "");
	SAY(&t, "a GETQUOTAROOT inbox\r\n",
	    "* QUOTAROOT INBOX you\r\n* QUOTA you (STORAGE 1 10)\r\na OK GETQUOTAROOT completed\r\n");
	assert_true(account_quota_set(w.st, STR("you"), 10 << 10, 2, &e));
	SAY(&t, "a GETQUOTA you\r\n", "* QUOTA you (STORAGE 1 10 MESSAGE 1 2)\r\na OK GETQUOTA completed\r\n");
	SAY(&t, "a GETQUOTAROOT not/there\r\n",
	    "* QUOTAROOT not/there you\r\n* QUOTA you (STORAGE 1 10 MESSAGE 1 2)\r\na OK GETQUOTAROOT completed\r\n");
	SAY(&t, "a GETQUOTA \"\"\r\n", "a NO [NONEXISTENT] No such quota root; ~\r\n");
	SAY(&t, "a SETQUOTA you (STORAGE 999)\r\n", "a NO [NOPERM] Only the administrator sets quotas\r\n");
	SAY(&t, "a SETQUOTA you ()\r\n", "a NO [NOPERM] Only the administrator sets quotas\r\n");
	SAY(&t, "a SETQUOTA you (STORAGE)\r\n", "a BAD Expected a space at octet 24, found ')'\r\n");
	SAY(&t, "a COPY 1 x\r\n", "a BAD Select a mailbox first\r\n");
	end(&w, &t);
}

static void test_compress(void **state)
{
	struct world w;
	struct talk t;
	(void)state;
	begin(&w, &t);
	SAY(&t, "a COMPRESS DEFLATE\r\n", "a NO [CANNOT] Compression is off here\r\n");
	w.conf.limits.compress = true;
	SAY(&t, "a CAPABILITY\r\n", "* CAPABILITY ~ COMPRESS=DEFLATE~\r\na OK CAPABILITY completed\r\n");
	SAY(&t, "a COMPRESS LZ4\r\n", "a NO [CANNOT] DEFLATE is the only mechanism here\r\n");
	SAY(&t, "a COMPRESS\r\n", "a BAD Expected a space at the end\r\n");
	SAY(&t, "a COMPRESS deflate\r\n", "a OK DEFLATE active from here on\r\n");
	assert_true(io_is_compressed(t.peer.io));
	SAY(&t, "a COMPRESS DEFLATE\r\n", "a NO [COMPRESSIONACTIVE] DEFLATE is active already\r\n");
	talk_feed(&t, STR("a CAPABILITY\r\n"));
	assert_true(str_find(buf_str(&t.out), STR("COMPRESS")) == t.out.n);
	buf_clear(&t.out);
	talk_unit(&t, (struct unit){ .kind = UNIT_TROUBLE, .trouble = TROUBLE_GARBLED });
	HEAR(&t, "* BYE Compressed data is broken\r\n");
	end(&w, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metadata),        cmocka_unit_test(test_metadata_of_the_server),
		cmocka_unit_test(test_metadata_bounds), cmocka_unit_test(test_quota),
		cmocka_unit_test(test_compress),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
