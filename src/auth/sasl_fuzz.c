/* SASL exchanges with strangers: the first octet names the mechanism, 0xFF parts what the client says. */
#include "auth/admin.h"
#include "auth/sasl.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const mechanisms[] = {
	"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "OTHER"
};
static struct auth_conf conf;
static struct keeper keeper;
static struct Gsasl *lib;

/* An auth.db that has lost its name lives as long as we do. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char dir[] = "/tmp/sluice-fuzz-XXXXXX", command[64];
	struct err e = { 0 };
	(void)argc;
	(void)argv;
	hash_init();
	if (!mkdtemp(dir))
		abort();
	conf = (struct auth_conf){
		.cram_md5 = true, .scram_iterations = 1, .argon2_ops = 1, .argon2_memory = crypto_pwhash_MEMLIMIT_MIN
	};
	conf.db = verifiers_open(dir, true, &e);
	if (!conf.db || !keeper_init(&keeper, &conf, &e) ||
	    !auth_admin_passwd(conf.db, &conf, STR("user"), 1, STR("pencil"), &e)) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	snprintf(command, sizeof command, "rm -r %s", dir);
	lib = sasl_new();
	return system(command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct sasl *x;
	if (size < 2)
		return 0;
	struct str rest = { (const char *)data + 2, size - 2 };
	struct ask ask = { .kind = ASK_BEGIN,
			   .service = STR("smtp"),
			   .ip = STR("local"),
			   .mechanism = str_of(mechanisms[data[0] % 8]),
			   .has_octets = data[1] & 1,
			   .exporter = data[1] & 2 ? STR("0123456789abcdef0123456789abcdef") : STR_NONE,
			   .unique = data[1] & 4 ? STR("unique-twelv") : STR_NONE,
			   .login = STR_NONE,
			   .octets = STR_NONE };
	if (ask.has_octets)
		ask.octets = str_cut(&rest, '\xFF');
	struct sasl_answer r = sasl_begin(lib, &keeper, &ask, &x, &a);
	if ((r.got == SASL_MORE) != (x != NULL))
		__builtin_trap();
	for (int i = 0; i < AUTH_STEPS && r.got == SASL_MORE; i++)
		r = sasl_step(x, str_cut(&rest, '\xFF'), &a);
	if (r.got == SASL_OK && (!str_eq(r.account, STR("user")) || r.account_id != 1))
		__builtin_trap();
	sasl_end(x);
	arena_reset(&a);
	return 0;
}
