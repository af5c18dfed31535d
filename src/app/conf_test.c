#include "app/conf.h"
#include "app/conf_syntax.h"
#include "base/test.h"

struct fixture {
	struct arena arena;
	struct conf_errors errors;
};

static int setup(void **state)
{
	static struct fixture f;
	f = (struct fixture){ 0 };
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	arena_reset(&f->arena);
	buf_free(&f->errors.text);
	return 0;
}

/* --- grammar -------------------------------------------------------------------- */

/* A tree as one line: words in [], quoted ones after ', blocks in (). */
static void show(const struct conf_node *parent, struct buf *b)
{
	for (const struct conf_node *n = parent->first; n; n = n->next) {
		for (size_t i = 0; i < n->nwords; i++)
			buf_printf(b, "%s[%.*s]", n->words[i].quoted ? "'" : "", STRF(n->words[i].text));
		if (n->block) {
			buf_addc(b, '(');
			show(n, b);
			buf_addc(b, ')');
		}
		buf_addc(b, '.');
	}
}

static void test_grammar(void **state)
{
	static const struct {
		const char *text, *tree, *errors;
	} rows[] = {
		{ "", "", "" },
		{ "\n\n  # only a comment\n;;\n", "", "" },
		{ "a", "[a].", "" },
		{ "a b\tc\r\n", "[a][b][c].", "" },
		{ "\xef\xbb\xbf"
		  "a b",
		  "[a][b].", "" },
		{ "a b; c d", "[a][b].[c][d].", "" },
		{ "a b,c , d", "[a][b][c][d].", "" },
		{ "a b,\n\n # more\n  c\nd", "[a][b][c].[d].", "" },
		{ "a { b; c { d } }", "[a]([b].[c]([d].).).", "" },
		{ "a {\nb\n}\nc", "[a]([b].).[c].", "" },
		{ "a {}", "[a]().", "" },
		{ "a { }; b { }", "[a]().[b]().", "" },
		{ "a \"b c\" 'd \\e' ''", "[a]'[b c]'[d \\e]'[].", "" },
		{ "a \"q\\\"b\\\\n\\n\"", "[a]'[q\"b\\n\n].", "" },
		{ "a # b {\nc", "[a].[c].", "" },
		{ "a#b\nc", "[a].[c].", "" },
		{ "a \"#;{}\" '\"'", "[a]'[#;{}]'[\"].", "" },
		{ "a\\b +x @ %.*", "[a\\b][+x][@][%.*].", "" },
		{ "gr\xc3\xbc\xc3\x9f"
		  "e { 'x",
		  "",
		  "t:1:9: this ' is never closed: a quoted word ends on the line where it begins\n"
		  "t:1:7: this { is never closed\n" },
		{ "a \"b\nc d", "[a]'[].[c][d].",
		  "t:1:3: this \" is never closed: a quoted word ends on the line where it begins\n" },
		{ "a 'b'c", "[a]'[b][c].", "t:1:6: a blank is missing after the closing '\n" },
		{ "don't\nb'", NULL,
		  "t:1:4: a blank is missing before this '; a word with a quote in it is written in quotes\n"
		  "t:1:4: this ' is never closed: a quoted word ends on the line where it begins\n"
		  "t:2:2: a blank is missing before this '; a word with a quote in it is written in quotes\n"
		  "t:2:2: this ' is never closed: a quoted word ends on the line where it begins\n" },
		{ "a \"\\t\"", NULL,
		  "t:1:3: \\t means nothing in \"...\": expected \\\", \\\\ or \\n; in '...' a backslash is itself\n" },
		{ "a }\nb", NULL, "t:1:3: this } closes nothing\n" },
		{ "a\n{ b\n}\n", NULL, "t:2:1: a { stands on the line of the word that it belongs to\n" },
		{ "a { b", NULL, "t:1:3: this { is never closed\n" },
		{ "a { b {", NULL, "t:1:7: this { is never closed\n" },
		{ "a { } b", "[a]().[b].", "t:1:7: expected a new line or ; after the closing }\n" },
		{ "a { }, b", "[a]().[b].", "t:1:6: expected a new line or ; after the closing }\n" },
		{ ", a", "[a].", "t:1:1: a statement cannot begin with a comma\n" },
		{ "a b,", "[a][b].", "t:1:4: a word is missing after this comma\n" },
		{ "a b,, c\nd", "[a][b].[c].[d].", NULL },
		{ "a b, }", NULL, NULL },
		{ "a\x01", NULL, "t:1:2: a control character (0x01) stands here\n" },
		{ "a\rb", NULL, "t:1:2: a control character (0x0d) stands here\n" },
		{ "\n\xc3\xbc \xff", NULL, "t:2:3: this octet (0xff) is not UTF-8\n" },
		{ "a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{", NULL, "t:1:34: blocks stand in blocks more than 16 deep\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct conf_errors errors = { 0 };
		struct buf b = { 0 };
		struct conf c;
		struct conf_text text = { STR("t"), str_of(rows[i].text) };
		bool whole = conf_tree(&text, 1, &a, &c, &errors);
		show(&c.root, &b);
		if (rows[i].tree && whole)
			assert_str(buf_str(&b), str_of(rows[i].tree));
		if (rows[i].errors)
			assert_str(buf_str(&errors.text), str_of(rows[i].errors));
		else
			assert_true(errors.n > 0);
		buf_free(&b);
		buf_free(&errors.text);
		arena_reset(&a);
	}
}

/* --- the table ------------------------------------------------------------------- */

static struct conf *parse(struct fixture *f, const char *text)
{
	struct conf_text one = { STR("t"), str_of(text) };
	return conf_parse(&one, 1, &f->arena, &f->errors);
}

static void test_table_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_key_count; i++) {
		const struct conf_key *k = &conf_key_table[i];
		struct syntax x[SYNTAX_ALTERNATIVES];
		size_t n, types = 0;
		uint64_t least, most;
		print_message("%s\n", k->path);
		assert_true(syntax_parse(k->takes, x, &n));
		assert_true(k->line && str_ends(str_of(k->line), STR(".")) | str_ends(str_of(k->line), STR("?")));
		assert_true(!k->text || str_ends(str_of(k->text), STR(".")));
		assert_non_null(k->since);
		assert_ptr_equal(key_by_path(str_of(k->path)), k); /* no path twice */
		assert_true(k->preset || k->otherwise || k->block != KEY_LINE);
		assert_true(k->preset || k->example || k->block == KEY_BLOCK);
		for (size_t j = 0; j < n && k->range; j++)
			for (size_t v = 0; v < x[j].nvalues; v++)
				if (x[j].values[v].type->number) {
					types++;
					assert_true(conf_range(x[j].values[v].type, k->range, &least, &most));
					assert_true(k->field.size == 8 || most <= UINT32_MAX);
				}
		assert_int_equal(types, k->range != NULL);
		struct str path = str_of(k->path);
		size_t dot = str_chr(path, '.');
		assert_true(dot == path.n || key_by_path(str_sub(path, 0, dot))->block != KEY_LINE);
	}
	for (size_t i = 0; i < conf_later_count; i++)
		assert_null(key_by_path(str_of(conf_later_keys[i])));
}

/* A key that takes numbers says in which range, so that no limit can be set to nonsense. */
static void test_numbers_have_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_key_count; i++) {
		struct str takes = str_of(conf_key_table[i].takes);
		if (str_starts(takes, STR("<number>")) || str_starts(takes, STR("<size>")) ||
		    str_starts(takes, STR("<duration>")) || str_starts(takes, STR("<percent>")))
			assert_non_null(conf_key_table[i].range);
	}
}

static void test_defaults_are_values(void **state)
{
	struct fixture *f = *state;
	struct buf b = { 0 }, again = { 0 };
	struct conf *c = parse(f, "host a.example");
	assert_non_null(c);
	conf_print(c, &b, true);
	buf_addc(&b, 0);
	c = parse(f, b.p);
	assert_strz(buf_str(&f->errors.text), "");
	assert_non_null(c);
	conf_print(c, &again, true);
	assert_strz(buf_str(&again), b.p);
	buf_free(&b);
	buf_free(&again);
}

static void test_print(void **state)
{
	struct fixture *f = *state;
	struct buf b = { 0 };
	struct conf *c = parse(
	    f, "domain b.example { detail '+-'; catchall \"alice\" }; store /x\n"
	       "listen in { smtp 25; address 127.0.0.1 ::1; local 'unix:/a b' group mail mode 0600\n lmtp 24 }\n"
	       "host \"a.example\"; pen { network-open off }; domain c.example\nlog { }\n");
	assert_strz(buf_str(&f->errors.text), "");
	conf_print(c, &b, false);
	assert_strz(buf_str(&b), "host a.example\nstore /x\nlog { }\n"
				 "listen in {\n\taddress 127.0.0.1, ::1\n\tsmtp 25\n\tlocal \"unix:/a b\" group mail "
				 "mode 0600\n\tlmtp 24\n}\n"
				 "domain b.example {\n\tdetail +-\n\tcatchall alice\n}\ndomain c.example\n"
				 "pen {\n\tnetwork-open off\n}\n");
	buf_free(&b);
}

/* --- help ------------------------------------------------------------------------- */

static void test_example(void **state)
{
	struct fixture *f = *state;
	struct buf b = { 0 }, live = { 0 };
	assert_true(conf_example(STR_NONE, &b));
	buf_addc(&b, 0);
	assert_non_null(parse(f, b.p));
	assert_strz(buf_str(&f->errors.text), "");
	/* The statements that are comments are right too: "#key" is one, "# text" is not. */
	for (struct str rest = str_of(b.p); rest.n > 0;) {
		struct str line = str_line(&rest);
		size_t hash = str_chr(line, '#');
		bool statement = hash + 1 < line.n && line.p[hash + 1] != ' ' && line.p[hash + 1] != '\n';
		if (statement && str_starts(str_sub(line, hash + 1, line.n), STR("include")))
			continue; /* the files are not there */
		buf_add(&live, str_sub(line, 0, hash));
		buf_add(&live, statement ? str_sub(line, hash + 1, line.n) : STR("\n"));
	}
	buf_addc(&live, 0);
	struct conf *c = parse(f, live.p);
	assert_strz(buf_str(&f->errors.text), "");
	struct settings s;
	assert_true(settings_from(c, &f->arena, &s, &f->errors));
	for (size_t i = 0; i < conf_key_count; i++) {
		struct str word = key_word(&conf_key_table[i]);
		assert_true(str_find(str_of(b.p), word) < b.n);
	}
	buf_free(&b);
	buf_free(&live);
}

static void test_example_topics(void **state)
{
	(void)state;
	struct buf b = { 0 };
	assert_true(conf_example(STR("domain"), &b));
	assert_true(str_starts(buf_str(&b), STR("# A domain whose mail is ours.\ndomain example.org {\n")));
	buf_clear(&b);
	assert_false(conf_example(STR("drop"), &b));
	assert_true(str_find(buf_str(&b), STR("listen, domain, mx")) < b.n);
	buf_clear(&b);
	assert_false(conf_example(STR("domain.detail"), &b));
	buf_free(&b);
}

static void test_explain(void **state)
{
	(void)state;
	struct buf b = { 0 };
	assert_true(conf_explain(STR("mx.idle"), &b));
	assert_strz(buf_str(&b), "mx.idle\n    idle <duration>\n\n    Silence after which the session is ended.\n\n"
				 "    <duration> is a duration such as 30s, 5m or 2h, from 1s to 1h.\n"
				 "    Default: 30s.\n    Since 0.1.\n");
	buf_clear(&b);
	assert_true(conf_explain(STR("domain"), &b));
	assert_true(str_find(buf_str(&b), STR("domain <domain> [{ ... }]\n")) < b.n);
	assert_true(str_find(buf_str(&b), STR("domain.catchall")) < b.n);
	buf_clear(&b);
	assert_false(conf_explain(STR("recipients"), &b));
	assert_strz(buf_str(&b), "mx.recipients, submission.recipients, local.recipients");
	buf_clear(&b);
	assert_false(conf_explain(STR("mx.recipient"), &b));
	assert_strz(buf_str(&b), "mx.recipients");
	buf_clear(&b);
	assert_false(conf_explain(STR("cach-all"), &b));
	assert_strz(buf_str(&b), "domain.catchall");
	buf_clear(&b);
	assert_false(conf_explain(STR("nothing.like.it.at.all"), &b));
	assert_strz(buf_str(&b), "");
	assert_true(conf_explain(STR_NONE, &b));
	assert_true(str_starts(buf_str(&b), STR("host  ")));
	buf_free(&b);
}

static void test_keys(void **state)
{
	(void)state;
	struct buf b = { 0 };
	size_t lines = 0;
	conf_keys(&b);
	for (struct str rest = buf_str(&b); rest.n > 0; str_line(&rest))
		lines++;
	assert_int_equal(lines, conf_key_count);
	buf_free(&b);
}

static void test_did_you_mean(void **state)
{
	static const struct str words[] = { STR("host"),    STR("admin"),   STR("store"),    STR("listen"),
					    STR("sandbox"), STR("message"), STR("messages"), STR("mx") };
	static const struct {
		const char *word, *meant;
	} rows[] = {
		{ "hots", "host" },
		{ "Host", "host" },
		{ "admni", "admin" },
		{ "administrator", "" },
		{ "liste", "listen" },
		{ "litsen", "listen" },
		{ "sandbx", "sandbox" },
		{ "mesage", "message" },
		{ "mesages", "messages" },
		{ "", "" },
		{ "x", "mx" },
		{ "q", "" },
		{ "abc", "" },
		{ "stroe", "store" },
		{ "lis", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_strz(did_you_mean(str_of(rows[i].word), words, sizeof words / sizeof *words), rows[i].meant);
	assert_strz(did_you_mean(STR("host"), NULL, 0), "");
}

static void test_error_cap(void **state)
{
	struct fixture *f = *state;
	struct buf b = { 0 };
	for (int i = 0; i < 200; i++)
		buf_addz(&b, "nonsense\n");
	buf_addc(&b, 0);
	assert_null(parse(f, b.p));
	assert_int_equal(f->errors.n, 201); /* and no host */
	size_t lines = 0;
	for (struct str rest = buf_str(&f->errors.text); rest.n > 0; str_line(&rest))
		lines++;
	assert_int_equal(lines, CONF_ERRORS_MAX + 1);
	assert_true(str_ends(buf_str(&f->errors.text), STR("and more: mend these first\n")));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_table_is_sound),
		cmocka_unit_test(test_numbers_have_ranges),
		cmocka_unit_test_setup_teardown(test_defaults_are_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_print, setup, teardown),
		cmocka_unit_test_setup_teardown(test_example, setup, teardown),
		cmocka_unit_test(test_example_topics),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_did_you_mean),
		cmocka_unit_test_setup_teardown(test_error_cap, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
