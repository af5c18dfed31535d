/* A session over strings: its units one after the other, no socket, no thread. */
#include "net/pen_impl.h"

/* What the peer does next: give the unit that is wanted, or its end. */
static struct unit next_unit(struct conn *c, struct str *input)
{
	bool waked = c->next.want == WANT_WAKE ||
		     (c->next.want == WANT_LINE && c->next.wakeable && atomic_exchange(&c->wake, false));
	if (waked)
		return (struct unit){ .kind = UNIT_WAKE, .more = input->n > 0 };
	size_t taken;
	collect_begin(&c->collect, &c->next, c->door->line_max);
	enum collected got = collect_feed(&c->collect, *input, &taken);
	*input = str_sub(*input, taken, input->n);
	struct unit u = c->collect.unit;
	u.more = input->n > 0;
	if (got == COLLECT_LONG)
		return (struct unit){ .kind = UNIT_TROUBLE, .trouble = TROUBLE_LONG };
	if (got == COLLECT_MORE)
		return (struct unit){ .kind = UNIT_TROUBLE, .trouble = TROUBLE_EOF };
	return u;
}

void pen_talk(const struct door *door, struct addr remote, struct str input, struct buf *out)
{
	struct conn c = { .door = door, .io = io_strings(STR_NONE, out) };
	c.peer = (struct peer){
		.io = c.io,
		.remote.addr = remote,
		.unix_socket = addr_is_none(remote),
		.door = door,
		.ctx = door->ctx,
		.conn = &c,
	};
	c.next = door->open(&c.peer, &c.session);
	while (c.session && c.next.want != WANT_CLOSE && c.next.want != WANT_TLS) {
		struct unit u = next_unit(&c, &input);
		size_t before = out->n;
		c.next = door->step(c.session, &u);
		if (u.kind != UNIT_TROUBLE)
			continue;
		if (u.trouble == TROUBLE_EOF)
			out->n = before; /* nobody is there to read it */
		break;
	}
	if (c.session)
		door->close(c.session);
	io_free(c.io);
}
