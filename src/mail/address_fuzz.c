/* Addresses: what is taken prints, and reads back as the same; lists keep their bounds. */
#include "mail/address.h"

#include <assert.h>
#include <stdlib.h>

static void round_trip(struct arena *a, const struct address *x)
{
	struct address again;
	struct str text = address_text(a, x);
	assert(x->local.n <= ADDRESS_LOCAL_MAX && x->domain.n <= ADDRESS_DOMAIN_MAX);
	if (x->domain.n == 0)
		return;
	assert(address_parse(text, a, &again));
	assert(str_eq(x->local, again.local) && str_eq(x->domain, again.domain) && x->literal == again.literal);
	struct str key, twice;
	if (address_domain_key(a, x->domain, &key)) {
		assert(address_domain_key(a, key, &twice));
		assert(str_eq(key, twice));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = { 0 };
	struct str in = { (const char *)data, n }, s = in;
	struct address x;
	struct mailaddr *list;
	size_t count;
	bool null, more;
	if (path_parse(&s, true, &a, &x, &null)) {
		assert(s.p > in.p && s.p[-1] == '>');
		round_trip(&a, &x);
	}
	if (address_parse(in, &a, &x))
		round_trip(&a, &x);
	helo_valid(in);
	domain_valid(in);
	addresses_parse(in, &a, &list, &count, &more);
	assert(count <= ADDRESSES_MAX);
	bool group = false;
	for (size_t i = 0; i < count; i++) {
		assert(list[i].name.p && list[i].local.p && list[i].domain.p && list[i].route.p);
		assert(list[i].name.n <= n && list[i].local.n <= n && list[i].domain.n <= n);
		if (list[i].kind != MAILADDR_BOX) {
			assert(group == (list[i].kind == MAILADDR_END));
			group = !group;
		}
	}
	assert(!group);
	arena_reset(&a);
	return 0;
}
