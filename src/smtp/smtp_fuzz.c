/* Sessions on all four doors, from what a stranger would send. */
#include "smtp/smtp.h"

#include "smtp/test_auth.h"

static struct world world;
static struct auth_client auth;
static unsigned runs;

static void world_end(void)
{
	world_close(&world);
}

static void world_begin(void)
{
	hash_init();
	charset_warm();
	log_level_set(STR_NONE, LOG_ERROR);
	world_open(&world, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	auth.w = &world;
	atexit(world_end);
}

/* What was accepted is looked at once in a while and thrown away, so that the store stays small. */
static void sweep(void)
{
	struct mailbox *m;
	struct err e;
	uint64_t removed;
	const int64_t who[] = { world.mjl, world.catcher };
	for (size_t i = 0; i < 2; i++)
		if (mailbox_find(world.store, who[i], STR("INBOX"), &world.a, &m, &e) && m)
			msg_expunge(world.store, m->id, NULL, 0, false, &e);
	queue_change(world.store, NULL, QUEUE_REMOVE, STR_NONE, &removed, &e);
	arena_reset(&world.a);
}

/* The first octet chooses the door and its settings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!world.store)
		world_begin();
	if (size == 0)
		return 0;
	struct smtp_conf *c = &world.conf;
	c->kind = (enum smtp_kind)(data[0] & 3);
	c->auth = data[0] & 4 ? &auth : NULL;
	c->auth_in_clear = true;
	c->repair_bare = data[0] & 8;
	c->sandbox = data[0] & 16;
	c->hide_client = data[0] & 32;
	smtp_limits_default(&c->limits, c->kind);
	if (data[0] & 64)
		c->limits = (struct smtp_limits){ .line = 100,
						  .auth_line = 200,
						  .message = 300,
						  .recipients = 2,
						  .targets = 3,
						  .mails = 2,
						  .received = 2,
						  .bad_commands = 3,
						  .bad_recipients = 2,
						  .bad_logins = 2,
						  .header = 200,
						  .header_fields = 5,
						  .body_line = 40,
						  .unit_ms = 1000,
						  .idle_ms = 1000,
						  .message_ms = 1000 };
	struct buf out = { 0 };
	struct door door = smtp_door(c, NULL);
	pen_talk(&door, world.remote, (struct str){ (const char *)data + 1, size - 1 }, &out);
	buf_free(&out);
	if (++runs % 1000 == 0)
		sweep();
	return 0;
}
