/* Annotations of mailboxes and accounts. */
#include "store/test_store.h"

static int64_t account, inbox;

static int setup_account(void **state)
{
	setup(state);
	account = account_new("you");
	inbox = box_id(account, "INBOX");
	return 0;
}

static bool set(int64_t mailbox, const char *name, const char *value)
{
	struct annotation v = { str_of(name), str_of(value), !value };
	return annotation_set(st, account, mailbox, &v, 1, &e);
}

/* "name=value name=value" */
static struct str all_of(int64_t mailbox)
{
	struct annotation *v;
	size_t n;
	struct str out = STR_NONE;
	must(annotation_list(st, account, mailbox, &a, &v, &n, &e));
	for (size_t i = 0; i < n; i++)
		out = str_fmt(&a, "%.*s%s%.*s=%.*s", STRF(out), i ? " " : "", STRF(v[i].name), STRF(v[i].value));
	return out;
}

static void test_set(void **state)
{
	(void)state;
	must(set(inbox, "/private/comment", "mine"));
	must(set(inbox, "/shared/comment", "ours"));
	must(set(0, "/shared/vendor/x", "account"));
	must(set(inbox, "/private/comment", "changed"));
	assert_strz(all_of(inbox), "/private/comment=changed /shared/comment=ours");
	assert_strz(all_of(0), "/shared/vendor/x=account");
	must(set(inbox, "/private/comment", ""));
	assert_strz(all_of(inbox), "/private/comment= /shared/comment=ours");
	must(set(inbox, "/private/comment", NULL));
	must(set(inbox, "/private/none", NULL));
	assert_strz(all_of(inbox), "/shared/comment=ours");
	struct annotation bytes = { STR("/private/bytes"), { "a\0\r\n\xff", 5 }, false }, *back;
	size_t n;
	must(annotation_set(st, account, 0, &bytes, 1, &e));
	must(annotation_list(st, account, 0, &a, &back, &n, &e));
	assert_true(n == 2 && str_eq(back[0].value, bytes.value));
	must(mailbox_rename(st, account, STR("Sent"), STR("Post"), &e));
	check_clean();
}

static void test_gone(void **state)
{
	(void)state;
	int64_t other = account_new("other"), trash = box_id(account, "Trash");
	must(set(trash, "/private/comment", "x"));
	must_fail(set(99, "/private/comment", "x"), ERR_PERM);
	must_fail(set(box_id(other, "INBOX"), "/private/comment", "x"), ERR_PERM);
	must(mailbox_delete(st, account, STR("Trash"), &e));
	assert_strz(all_of(trash), "");
	must_fail(set(trash, "/private/comment", "x"), ERR_PERM);
	must(set(inbox, "/private/comment", "x"));
	must(set(0, "/private/comment", "x"));
	must(account_remove(st, STR("you"), &e));
	assert_strz(all_of(inbox), "");
	assert_strz(all_of(0), "");
	must_fail(set(0, "/private/comment", "x"), ERR_PERM);
	check_clean();
}

static void test_bounds(void **state)
{
	(void)state;
	struct annotation many[ANNOTATIONS_MAX + 1], large[2];
	char *octets = arena_alloc(&a, ANNOTATION_OCTETS + 1);
	memset(octets, 'x', ANNOTATION_OCTETS + 1);
	for (size_t i = 0; i <= ANNOTATIONS_MAX; i++)
		many[i] = (struct annotation){ str_fmt(&a, "/private/%zu", i), STR("x"), false };
	must_fail(annotation_set(st, account, inbox, many, ANNOTATIONS_MAX + 1, &e), ERR_PERM);
	assert_strz(all_of(inbox), ""); /* all or none */
	must(annotation_set(st, account, inbox, many, ANNOTATIONS_MAX, &e));
	struct store_stat before, behind;
	store_stat(st, &before);
	must_fail(set(inbox, "/private/more", "x"), ERR_PERM);
	store_stat(st, &behind);
	assert_int_equal(behind.alone, before.alone); /* nobody's batch was run again for it */
	must(set(inbox, "/private/7", "y"));
	struct annotation twice[] = { { STR("/private/more"), STR("x"), false },
				      { STR("/private/8"), STR_NONE, true },
				      { STR("/private/more"), STR("y"), false } };
	must(annotation_set(st, account, inbox, twice, 3, &e));
	must_fail(set(inbox, "/private/8", "x"), ERR_PERM);
	must(set(inbox, "/private/more", NULL));
	must(set(inbox, "/private/8", "x"));
	must(set(0, "/private/more", "x"));
	large[0] = (struct annotation){ STR("/private/large"), { octets, ANNOTATION_OCTETS + 1 }, false };
	must_fail(annotation_set(st, account, 0, large, 1, &e), ERR_PERM);
	large[0].value.n--;
	must(annotation_set(st, account, 0, large, 1, &e));
	must_fail(set(0, "", "x"), ERR_PERM);
	/* all mailboxes together */
	unsigned boxes = 0;
	for (; boxes < 2 * ANNOTATIONS_ALL_OCTETS / ANNOTATION_OCTETS; boxes++) {
		char name[20];
		snprintf(name, sizeof name, "box%u", boxes);
		must(mailbox_create(st, account, str_of(name), USE_NONE, &e));
		if (!annotation_set(st, account, box_id(account, name), large, 1, &e))
			break;
	}
	assert_int_equal(boxes, ANNOTATIONS_ALL_OCTETS / ANNOTATION_OCTETS - 2);
	assert_non_null(strstr(e.text, "octets of annotations in all"));
	check_clean();
}

static void test_many_boxes(void **state)
{
	(void)state;
	struct annotation many[ANNOTATIONS_MAX];
	for (size_t i = 0; i < ANNOTATIONS_MAX; i++)
		many[i] = (struct annotation){ str_fmt(&a, "/private/%zu", i), STR("x"), false };
	for (unsigned i = 0; i <= ANNOTATIONS_ALL / ANNOTATIONS_MAX; i++) {
		char name[20];
		snprintf(name, sizeof name, "box%u", i);
		must(mailbox_create(st, account, str_of(name), USE_NONE, &e));
		bool fits = annotation_set(st, account, box_id(account, name), many, ANNOTATIONS_MAX, &e);
		assert_int_equal(fits, i < ANNOTATIONS_ALL / ANNOTATIONS_MAX);
	}
	assert_int_equal(e.kind, ERR_PERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup_account, teardown),
		cmocka_unit_test_setup_teardown(test_many_boxes, setup_account, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
