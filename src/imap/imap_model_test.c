/* Several sessions at random on one mailbox, each with a client that believes what it is told.  After every NOOP a
 * client's picture must be the truth: same messages under the same numbers, same flags. */
#include "imap/imap.h"
#include "imap/talk_test.h"

#define SESSIONS 3
#define STEPS    250
#define MOST     4000

struct seen {
	uint32_t uid; /* 0: only known to exist */
	unsigned flags;
};
struct client {
	struct talk t;
	struct seen at[MOST];
	uint32_t n, known; /* known: messages whose UID and flags have been asked for */
	uint32_t fetched;  /* the number of the FETCH response that a literal interrupts */
	bool numbers_held; /* a FETCH, STORE or SEARCH is being answered */
};

static uint32_t rnd(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % below;
}

/* \Recent is each session's own and not looked at. */
static const char *const words[] = { "\\Seen", "\\Flagged", "\\Draft", "\\Deleted", "word" };
#define WORDS (sizeof words / sizeof *words)

static unsigned flags_of(const char *text)
{
	unsigned bits = 0;
	for (const char *p = text; *p != ')' && *p;) {
		size_t n = strcspn(p, " )");
		for (unsigned i = 0; i < WORDS; i++)
			if (strlen(words[i]) == n && strncmp(p, words[i], n) == 0)
				bits |= 1u << i;
		p += n + (p[n] == ' ');
	}
	return bits;
}

static unsigned flags_of_row(const struct msg *m)
{
	unsigned bits = 0;
	bits |= m->flags & MSG_SEEN ? 1 : 0;
	bits |= m->flags & MSG_FLAGGED ? 2 : 0;
	bits |= m->flags & MSG_DRAFT ? 4 : 0;
	bits |= m->flags & MSG_DELETED ? 8 : 0;
	return bits | (str_eq(m->keywords, STR("word")) ? 16 : 0);
}

static void hear_fetch(struct client *c, uint32_t seq, const char *line)
{
	const char *uid = strstr(line, "UID "), *flags = strstr(line, "FLAGS (");
	assert_true(seq >= 1 && seq <= c->n);
	struct seen *s = &c->at[seq - 1];
	if (uid) {
		uint32_t told = (uint32_t)strtoul(uid + 4, NULL, 10);
		assert_true(s->uid == 0 || s->uid == told);
		s->uid = told;
	}
	if (flags)
		s->flags = flags_of(flags + 7);
}

static void hear_line(struct client *c, const char *line)
{
	char *word;
	if (strncmp(line, "* ", 2) != 0 && c->fetched && strstr(line, "FLAGS ("))
		hear_fetch(c, c->fetched, line);
	c->fetched = strncmp(line, "* ", 2) == 0 ? 0 : c->fetched;
	if (strncmp(line, "* ", 2) != 0 || !ch_digit(line[2]))
		return;
	uint32_t n = (uint32_t)strtoul(line + 2, &word, 10);
	if (strncmp(word, " EXPUNGE", 8) == 0) {
		assert_false(c->numbers_held); /* RFC 3501 7.4.1 */
		assert_true(n >= 1 && n <= c->n);
		memmove(&c->at[n - 1], &c->at[n], (c->n - n) * sizeof *c->at);
		c->n--;
		c->known -= n <= c->known;
	} else if (strncmp(word, " EXISTS", 7) == 0) {
		assert_true(n >= c->n && n < MOST);
		memset(&c->at[c->n], 0, (n - c->n) * sizeof *c->at);
		c->n = n;
	} else if (strncmp(word, " FETCH ", 7) == 0) {
		hear_fetch(c, n, word);
		c->fetched = n;
	}
}

static void say(struct client *c, const char *command)
{
	c->numbers_held = strstr(command, " FETCH ") || strstr(command, " STORE ") || strstr(command, " SEARCH ");
	c->numbers_held = c->numbers_held && !strstr(command, " UID ");
	talk_feed(&c->t, str_of(command));
	struct str all = buf_str(&c->t.out);
	if (str_find(all, STR("x OK")) == all.n && str_find(all, STR("x NO")) == all.n)
		fail_msg("%s -> %.*s", command, STRF(all));
	while (all.n > 0) {
		char line[1000];
		struct str one = str_chomp(str_line(&all));
		snprintf(line, sizeof line, "%.*s", STRF(one));
		hear_line(c, line);
	}
	buf_clear(&c->t.out);
}

/* As mail programs do: ask about what is new. */
static void learn(struct client *c)
{
	char command[100];
	while (c->known < c->n) {
		uint32_t from = c->known + 1, to = c->n;
		c->known = to;
		snprintf(command, sizeof command, "x FETCH %u:%u (UID FLAGS)\r\n", from, to);
		say(c, command);
	}
}

/* A silent STORE: the client knows what it does to the messages it knows. */
static void store_silently(struct client *c, uint32_t from, uint32_t to, bool by_uid, bool add, unsigned bit)
{
	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t number = by_uid ? c->at[i].uid : i + 1;
		if (number >= from && number <= to && number > 0)
			c->at[i].flags = add ? c->at[i].flags | bit : c->at[i].flags & ~bit;
	}
}

static void store(struct client *c, bool by_uid, uint32_t from, uint32_t to, bool add, unsigned i, bool silent)
{
	char command[200];
	uint32_t low = from < to ? from : to, high = from < to ? to : from;
	snprintf(command, sizeof command, "x %sSTORE %u:%u %sFLAGS%s (%s)\r\n", by_uid ? "UID " : "", from, to,
		 add ? "+" : "-", silent ? ".SILENT" : "", words[i]);
	if (silent)
		store_silently(c, low, high, by_uid, add, 1u << i);
	say(c, command);
}

static void act(struct client *c, uint32_t *x)
{
	char command[200];
	uint32_t a = c->n ? 1 + rnd(x, c->n) : 1, b = c->n ? 1 + rnd(x, c->n) : 1, uid = 1 + rnd(x, 300);
	bool add = rnd(x, 3) > 0, silent = rnd(x, 2);
	unsigned word = rnd(x, WORDS);
	switch (c->n ? rnd(x, 12) : 10 + rnd(x, 2)) {
	case 0:
	case 1:
		store(c, false, a, b, add, word, silent);
		return;
	case 2:
		store(c, true, uid, uid + 20, add, word, silent);
		return;
	case 3:
		store(c, false, a, a, true, 3, silent);
		return;
	case 4:
		snprintf(command, sizeof command, "x EXPUNGE\r\n");
		break;
	case 5:
		snprintf(command, sizeof command, "x UID EXPUNGE %u:*\r\n", uid);
		break;
	case 6:
		snprintf(command, sizeof command, "x MOVE %u Trash\r\n", a);
		break;
	case 7:
		snprintf(command, sizeof command, "x COPY %u INBOX\r\n", a);
		break;
	case 8:
		snprintf(command, sizeof command, "x FETCH %u:%u (UID BODY[TEXT])\r\n", a, b);
		break;
	case 9:
		snprintf(command, sizeof command, "x SEARCH UNSEEN\r\n");
		break;
	default:
		snprintf(command, sizeof command, "x APPEND INBOX (%s) {5+}\r\nhello\r\n", words[word]);
		break;
	}
	say(c, command);
}

static void check(struct world *w, struct client *c)
{
	struct arena a = { 0 };
	struct msg *rows;
	struct err e;
	size_t n = 0;
	uint32_t seq = 0, from = 1;
	do {
		assert_true(msg_page(w->st, 1, from, UINT32_MAX - 1, false, &a, &rows, &n, &e));
		for (size_t i = 0; i < n; i++, seq++) {
			assert_true(seq < c->n);
			assert_int_equal(c->at[seq].uid, rows[i].uid);
			assert_int_equal(c->at[seq].flags, flags_of_row(&rows[i]));
		}
		from = n ? rows[n - 1].uid + 1 : from;
	} while (n == MSG_PAGE);
	assert_int_equal(seq, c->n);
	arena_reset(&a);
}

static void one_run(uint32_t seed)
{
	static struct client clients[SESSIONS];
	struct world w;
	struct mailbox *inbox;
	struct arena a = { 0 };
	struct err e;
	uint32_t x = seed;
	world_open(&w);
	assert_true(mailbox_find(w.st, w.account, STR("INBOX"), &a, &inbox, &e));
	assert_int_equal(inbox->id, 1); /* check() counts on it */
	arena_reset(&a);
	for (int i = 0; i < 20; i++)
		world_deliver(&w, "INBOX", "Subject: x\r\n\r\nx\r\n", "");
	for (int i = 0; i < SESSIONS; i++) {
		clients[i] = (struct client){ .n = 0 };
		talk_begin(&clients[i].t, &w.conf);
		say(&clients[i], i ? "x SELECT INBOX\r\n" : "x SELECT INBOX (CONDSTORE)\r\n");
		learn(&clients[i]);
	}
	for (int step = 0; step < STEPS; step++) {
		struct client *c = &clients[rnd(&x, SESSIONS)];
		act(c, &x);
		if (rnd(&x, 10) == 0)
			world_deliver(&w, "INBOX", "Subject: y\r\n\r\ny\r\n", "");
		if (rnd(&x, 4) == 0) {
			say(c, "x NOOP\r\n");
			learn(c);
			say(c, "x NOOP\r\n");
			learn(c);
			check(&w, c);
		}
	}
	for (int i = 0; i < SESSIONS; i++)
		talk_end(&clients[i].t);
	world_close(&w);
}

static void test_model(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 12; seed++)
		one_run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
