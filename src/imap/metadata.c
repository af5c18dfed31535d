#include "imap/metadata.h"
#include "imap/say.h"

/* --- parsing ------------------------------------------------------------------------------ */

/* RFC 5464 3.2: printable ASCII in levels, none of them empty, no wildcards. */
static bool entry_right(struct str name, bool whole)
{
	struct str rest = name;
	if (name.n > ANNOTATION_NAME || !str_skipc(&rest, '/') || str_ends(name, STR("/")) ||
	    str_find(name, STR("//")) < name.n)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f || name.p[i] == '*' || name.p[i] == '%')
			return false;
	struct str scope = str_cut(&rest, '/');
	return (str_eq(scope, STR("private")) || str_eq(scope, STR("shared"))) && (!whole || rest.n > 0);
}

/* `whole`: an entry that can have a value, not only be a level above some. */
static bool parse_entry(struct parser *p, bool whole, struct str *out)
{
	size_t at = p->at;
	if (!parse_astring(p, out, "an entry like /private/comment"))
		return false;
	*out = str_lower(p->arena, *out);
	if (entry_right(*out, whole))
		return true;
	p->at = at;
	return parse_fail(p, "an entry like /private/comment or /shared/comment");
}

static bool add_entry(struct parser *p, struct metadata_asked *asked)
{
	if (!asked->entries)
		asked->entries = ARENA_ARRAY(p->arena, struct str, METADATA_ENTRIES_MAX);
	if (asked->n == METADATA_ENTRIES_MAX)
		return parse_fail(p, "at most 100 entries");
	return parse_entry(p, false, &asked->entries[asked->n]) && ++asked->n > 0;
}

bool parse_metadata_entries(struct parser *p, struct metadata_asked *asked)
{
	if (!parse_try(p, '('))
		return add_entry(p, asked);
	do {
		if (!add_entry(p, asked))
			return false;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')' after entries");
}

/* "MAXSIZE 1024" or "DEPTH 1" */
static bool parse_option(struct parser *p, struct metadata_asked *asked)
{
	if (parse_try_word(p, STR("MAXSIZE ")))
		return parse_number(p, UINT32_MAX, &asked->max, "a number of octets");
	if (!parse_try_word(p, STR("DEPTH ")))
		return parse_fail(p, "MAXSIZE or DEPTH");
	if (parse_try_word(p, STR("infinity")))
		asked->depth = DEPTH_INFINITY;
	else if (parse_try(p, '1'))
		asked->depth = DEPTH_1;
	else if (parse_try(p, '0'))
		asked->depth = DEPTH_0;
	else
		return parse_fail(p, "0, 1 or infinity");
	return true;
}

/* "(MAXSIZE 1024 DEPTH 1)" */
static bool parse_options(struct parser *p, struct metadata_asked *asked)
{
	if (!parse_char(p, '(', "'(' before options"))
		return false;
	do {
		if (!parse_option(p, asked))
			return false;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')' after options");
}

static bool option_next(const struct parser *p)
{
	struct parser look = *p;
	return parse_try_word(&look, STR("MAXSIZE ")) || parse_try_word(&look, STR("DEPTH "));
}

bool parse_metadata_asked(struct parser *p, struct metadata_asked *asked)
{
	*asked = (struct metadata_asked){ .max = UINT64_MAX };
	if (!parse_char(p, '(', "'(' before entries"))
		return false;
	do {
		if (!(option_next(p) ? parse_option(p, asked) : add_entry(p, asked)))
			return false;
	} while (parse_try(p, ' '));
	return (asked->n > 0 || parse_fail(p, "an entry like /shared/comment")) && parse_char(p, ')', "')'");
}

/* Options stand before the mailbox, in the grammar; behind it, in the examples, and so in clients (RFC 5464 5, 4.2). */
static bool parse_getmetadata(struct parser *p, struct str *mailbox, struct metadata_asked *asked)
{
	*asked = (struct metadata_asked){ .max = UINT64_MAX };
	if (parse_is(p, '(') && !(parse_options(p, asked) && parse_space(p)))
		return false;
	if (!parse_mailbox(p, mailbox) || !parse_space(p))
		return false;
	struct parser look = *p;
	if (parse_try(&look, '(') && option_next(&look) && !(parse_options(p, asked) && parse_space(p)))
		return false;
	return parse_metadata_entries(p, asked) && parse_end(p);
}

/* --- saying ------------------------------------------------------------------------------- */

/* The values of a mailbox, or of the server for this account. */
static bool look_up(struct session *s, struct cmd *c, const struct mailbox *m, struct annotation **all, size_t *n,
		    struct err *e)
{
	if (!annotation_list(s->conf->store, s->account, m ? m->id : 0, c->a, all, n, e))
		return false;
	if (m)
		return true;
	struct annotation *more = ARENA_ARRAY(c->a, struct annotation, *n + 2);
	if (*n > 0)
		memcpy(more, *all, *n * sizeof *more);
	*all = more;
	more[(*n)++] = (struct annotation){ .name = STR("/shared/comment"),
					    .value = str_fmt(c->a, "Sluice at %.*s", STRF(s->conf->host)) };
	if (s->conf->admin.n > 0)
		more[(*n)++] = (struct annotation){ .name = STR("/shared/admin"),
						    .value = str_fmt(c->a, "mailto:%.*s", STRF(s->conf->admin)) };
	return true;
}

static bool within(struct str name, struct str entry, const struct metadata_asked *asked)
{
	if (str_eq(name, entry))
		return true;
	struct str rest = name;
	if (asked->depth == DEPTH_0 || !str_skip(&rest, entry) || !str_skipc(&rest, '/'))
		return false;
	return asked->depth == DEPTH_INFINITY || str_chr(rest, '/') == rest.n;
}

struct saying {
	struct buf b;
	const char *space;
	uint64_t longest;
};

static void say_value(struct saying *x, struct str name, struct str value, bool present)
{
	buf_addz(&x->b, x->space);
	x->space = " ";
	say_astring(&x->b, name);
	buf_addc(&x->b, ' ');
	say_nstring(&x->b, value, present);
}

/* Did an entry before the i-th ask for it, too?  A value is said once, however often it is asked for. */
static bool said(const struct metadata_asked *asked, size_t i, struct str name)
{
	while (i-- > 0)
		if (within(name, asked->entries[i], asked))
			return true;
	return false;
}

/* What is asked for and not there has the value NIL. */
static void say_entry(struct saying *x, const struct metadata_asked *asked, size_t at, const struct annotation *all,
		      size_t n)
{
	struct str entry = asked->entries[at];
	bool any = false;
	for (size_t i = 0; i < n; i++) {
		if (!within(all[i].name, entry, asked))
			continue;
		any = true;
		if (said(asked, at, all[i].name))
			continue;
		if (all[i].value.n <= asked->max)
			say_value(x, all[i].name, all[i].value, true);
		else if (all[i].value.n > x->longest)
			x->longest = all[i].value.n;
	}
	if (!any && asked->depth == DEPTH_0 && !said(asked, at, entry))
		say_value(x, entry, STR_NONE, false);
}

bool say_metadata(struct session *s, struct cmd *c, const struct mailbox *m, const struct metadata_asked *asked,
		  uint64_t *longest, struct err *e)
{
	struct annotation *all;
	size_t n;
	struct saying x = { .space = "" };
	if (!look_up(s, c, m, &all, &n, e))
		return false;
	buf_addz(&x.b, "* METADATA ");
	say_mailbox_as(&x.b, m ? m->name : STR_NONE, c->utf8);
	buf_addz(&x.b, " (");
	for (size_t i = 0; i < asked->n; i++)
		say_entry(&x, asked, i, all, n);
	buf_addz(&x.b, ")\r\n");
	if (*x.space) /* the grammar wants at least one */
		io_add(s->io, buf_str(&x.b));
	buf_free(&x.b);
	*longest = x.longest;
	return true;
}

/* --- the commands --------------------------------------------------------------------------- */

/* *m NULL and true: the server's. */
static bool find(struct session *s, struct cmd *c, struct str name, struct mailbox **m, struct reply *r)
{
	struct err e = { 0 };
	*m = NULL;
	if (name.n == 0)
		return true;
	if (!mailbox_find(s->conf->store, s->account, name, c->a, m, &e))
		*r = reply_err(c, &e);
	else if (!*m)
		*r = NO_CODE("NONEXISTENT", "No such mailbox");
	return *m != NULL;
}

struct reply cmd_getmetadata(struct session *s, struct cmd *c)
{
	struct str name;
	struct metadata_asked asked;
	struct mailbox *m;
	struct reply r;
	struct err e = { 0 };
	uint64_t longest;
	if (!parse_getmetadata(&c->in, &name, &asked))
		return reply_bad(c);
	if (!find(s, c, name, &m, &r))
		return r;
	if (!say_metadata(s, c, m, &asked, &longest, &e))
		return reply_err(c, &e);
	r = OK("GETMETADATA completed");
	if (longest > 0)
		r.code = str_fmt(c->a, "METADATA LONGENTRIES %llu", (unsigned long long)longest);
	return r;
}

/* "(/private/comment "My own" /shared/comment NIL)" */
static bool parse_values(struct parser *p, struct annotation *values, size_t *n)
{
	*n = 0;
	if (!parse_char(p, '(', "'(' before entries and values"))
		return false;
	do {
		if (*n == METADATA_ENTRIES_MAX)
			return parse_fail(p, "at most 100 entries");
		if (!parse_entry(p, true, &values[*n].name) || !parse_space(p))
			return false;
		parse_try(p, '~'); /* literal8 (RFC 3516); octets but NUL are welcome in any literal */
		if (!parse_nstring(p, &values[*n].value, &values[*n].nil, "a string or NIL"))
			return false;
		++*n;
	} while (parse_try(p, ' '));
	return parse_char(p, ')', "')' after entries and values");
}

/* What the server says of itself is not a user's to say. */
static bool may_set(const struct mailbox *m, const struct annotation *values, size_t n, struct reply *r)
{
	for (size_t i = 0; i < n; i++) {
		if (!m && str_starts(values[i].name, STR("/shared/")))
			*r = NO_CODE("NOPERM",
				     "What is shared of the server is the administrator's; /private/ is yours");
		else if (values[i].value.n > ANNOTATION_OCTETS)
			*r = NO_CODE("METADATA MAXSIZE 65536", "A value has at most 65536 octets");
		else
			continue;
		return false;
	}
	return true;
}
_Static_assert(ANNOTATION_OCTETS == 65536, "the text above names it");

struct reply cmd_setmetadata(struct session *s, struct cmd *c)
{
	struct str name;
	struct annotation *values = ARENA_ARRAY(c->a, struct annotation, METADATA_ENTRIES_MAX);
	struct mailbox *m;
	struct reply r;
	struct err e = { 0 };
	size_t n;
	if (!parse_mailbox(&c->in, &name) || !parse_space(&c->in) || !parse_values(&c->in, values, &n) ||
	    !parse_end(&c->in))
		return reply_bad(c);
	if (!find(s, c, name, &m, &r) || !may_set(m, values, n, &r))
		return r;
	if (annotation_set(s->conf->store, s->account, m ? m->id : 0, values, n, &e))
		return OK("SETMETADATA completed");
	r = reply_err(c, &e);
	if (e.kind == ERR_PERM) /* names and sizes are right by now: it is their number, or all of them together */
		r.code = STR("METADATA TOOMANY");
	return r;
}
