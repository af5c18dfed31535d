/* What the full-text index knows, for each key that it can answer (store/search.h). */
#include "base/log.h"
#include "imap/search_run.h"
#include "store/search.h"

/* In which columns the text of a key can stand; 0: the index cannot help. */
static unsigned columns(const struct key *k)
{
	if (k->text.n == 0)
		return 0;
	switch (k->kind) {
	case KEY_ENVELOPE:
	case KEY_HEADER:
		return SEARCH_HEAD;
	case KEY_BODY:
		return SEARCH_BODY;
	case KEY_TEXT:
		return SEARCH_HEAD | SEARCH_BODY;
	default:
		return 0;
	}
}

struct asking {
	struct session *s;
	struct cmd *c;
	unsigned asked;
	bool trouble; /* said once in the log; the search goes on without the index */
};

static void ask_one(struct asking *x, struct key *k)
{
	struct err e = { 0 };
	struct search_found *found = ARENA_NEW(x->c->a, struct search_found);
	x->asked++;
	if (search_find(x->s->conf->search, x->s->account, x->s->view->mailbox, columns(k), k->text, x->c->a, found,
			&e)) {
		k->found = found;
		return;
	}
	x->trouble = e.kind != ERR_NONE;
	if (x->trouble)
		log_warn("imap.search-index", KV("account", x->s->account_name), KVZ("error", e.text));
}

static void ask(struct asking *x, struct key *k)
{
	for (struct key *c = k->child; c; c = c->next)
		ask(x, c);
	if (columns(k) != 0 && !x->trouble && x->asked < SEARCH_ASKED_MAX && !arena_full(x->c->a))
		ask_one(x, k);
}

void search_ask(struct session *s, struct cmd *c, struct search *search)
{
	struct asking x = { .s = s, .c = c };
	if (!s->conf->search)
		return;
	ask(&x, search->root);
	search_order(search->root);
}

static bool among(const int64_t *ids, size_t n, int64_t id)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (ids[mid] < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && ids[low] == id;
}

enum index_says search_index_says(const struct search_found *f, const struct msg *m)
{
	if (m->uid > f->indexed_uid || among(f->unsure, f->nunsure, m->content_id))
		return INDEX_LOOK;
	return among(f->contents, f->n, m->content_id) ? INDEX_HAS : INDEX_NO;
}
