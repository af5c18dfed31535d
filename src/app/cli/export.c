/* export.c - sluice export maildir|mbox: an account's mail into a folder or an archive. */
#include "app/cli/run.h"

#include "app/cli/carrier.h"
#include "app/cli/progress.h"
#include "archive/pack.h"
#include "base/clock.h"
#include "mail/words.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

struct export
{
	struct carrier carrier;
	struct pack *pack;
	uint64_t boxes, messages;
};

static bool take_box(struct export *x, struct str payload, struct err *e)
{
	struct carry_box b;
	if (!carry_get_box(payload, &b))
		return err_set(e, ERR_PEER, "an answer that makes no sense");
	x->boxes++;
	return pack_box(x->pack, b.name, e) || err_add(e, "mailbox %.*s", STRF(b.name));
}

static bool take_message(struct export *x, struct str payload, struct err *e)
{
	struct carry_message m;
	if (!carry_get_message(payload, &m) || m.box + 1 != x->boxes)
		return err_set(e, ERR_PEER, "an answer that makes no sense");
	progress_show(NULL, "messages", ++x->messages, x->carrier.messages);
	return pack_message(x->pack,
			    &(struct mbox_write){ .bytes = m.bytes,
						  .flags = m.flags,
						  .keywords = m.keywords,
						  .internal_wall_ms = m.internal_wall_ms,
						  .uid = m.uid },
			    e);
}

static bool take_all(struct export *x, struct err *e)
{
	for (;;) {
		enum carry_kind kind;
		struct str s;
		if (carry_recv(&x->carrier.carry, -1, &kind, &s, e) != CARRY_GOT)
			return false;
		if (kind == CARRY_DONE)
			return true;
		bool ok = kind == CARRY_BOX       ? take_box(x, s, e)
			  : kind == CARRY_MESSAGE ? take_message(x, s, e)
						  : err_set(e, ERR_PEER, "the other end gave up");
		if (!ok)
			return false;
	}
}

static int export(const struct call *c, enum pack_kind kind)
{
	struct export x = { 0 };
	struct err e = { 0 };
	const char *account = call_option(c, "account"), *only = call_option(c, "mailbox");
	if (!account)
		return cli_fail(EX_USAGE, "of which account? --account NAME");
	signal(SIGPIPE, SIG_IGN);
	charset_warm();
	progress_plain(true);
	int code = carrier_open(&x.carrier, c->config, "account.export",
				json_pack("{s:s, s:s}", "account", account, "only", only ? only : ""));
	if (code != EX_OK)
		return code;
	x.pack = pack_open(kind, c->argv[0], clock_wall_ms(), &e);
	bool ok = x.pack && take_all(&x, &e) && pack_done(x.pack, &e);
	uint64_t lost = x.pack ? pack_keywords_lost(x.pack) : 0;
	progress_done();
	pack_close(x.pack);
	code = carrier_close(&x.carrier);
	if (!ok && (e.kind != ERR_PEER || code == EX_OK))
		return cli_fail(e.kind == ERR_PERM ? EX_CANTCREAT : cli_code(&e), "%s", e.text);
	if (!ok)
		return code;
	printf("%" PRIu64 " messages of %" PRIu64 " mailboxes in %s\n", x.messages, x.boxes, c->argv[0]);
	if (lost > 0)
		fprintf(stderr, "sluice: note: %" PRIu64 " keywords are missing: a Maildir has 26 in a folder\n", lost);
	return EX_OK;
}

int cli_export_maildir(const struct call *c)
{
	return export(c, PACK_MAILDIR);
}

int cli_export_mbox(const struct call *c)
{
	return export(c, PACK_MBOX);
}
