#include "app/keys.h"

#include "app/settings.h"

#define FIELD(f)                                                                \
	{                                                                       \
		offsetof(struct settings, f), sizeof(((struct settings *)0)->f) \
	}
/* A key with one value that goes straight to its field. */
#define KEY(p, t, d, r, f, l, ...)                                                                            \
	{                                                                                                     \
		.path = p, .takes = t, .preset = d, .range = r, .since = "0.1", .line = l, .field = FIELD(f), \
		__VA_ARGS__                                                                                   \
	}
#define PLAIN(p, t, l, ...)                                                   \
	{                                                                     \
		.path = p, .takes = t, .since = "0.1", .line = l, __VA_ARGS__ \
	}
#define BLOCK(p, t, l, ...) PLAIN(p, t, l, .block = KEY_BLOCK, __VA_ARGS__)
#define SERVICE(w, p, l, ...)                                                                                         \
	PLAIN("listen." w, "[<port>]", l, .many = true, .otherwise = "not offered; without a port: " p, .example = p, \
	      __VA_ARGS__)

/* The limits that every SMTP door has, each with its own values. */
// clang-format off
// NOLINTBEGIN(bugprone-macro-parentheses): the door's name is pasted to the rest of the path
#define DOOR(d, m, people, silence)                                                                                          \
	KEY(d ".message", "<size>", "100MiB", "1KiB..4GiB", m.message, "Largest message taken, in octets as sent.",              \
	    .text = "Announced as SIZE (RFC 1870); a larger one is refused with 552 5.3.4."),                                   \
	KEY(d ".recipients", "<number>", people, "1..10000", m.recipients, "Most recipients of one message.",                    \
	    .text = "Further ones get 452 4.5.3, so that the sender gives them in another message (RFC 5321 4.5.3.1.10)."),     \
	KEY(d ".targets", "<number>", "1000", "1..10000", m.targets, "Most mailboxes and queue entries that one message may become.", \
	    .text = "An alias is one recipient and as many targets as it has members."),                                        \
	KEY(d ".messages", "<number>", "100000", "1..1000000", m.mails, "Most messages in one session."),                        \
	KEY(d ".unit", "<duration>", "5m", "1s..1h", m.unit_ms, "For one command to arrive whole (RFC 5321 4.5.3.2)."),          \
	KEY(d ".idle", "<duration>", silence, "1s..1h", m.idle_ms, "Silence after which the session is ended."),                 \
	KEY(d ".message-time", "<duration>", "30m", "10s..1d", m.message_ms, "For a whole message after DATA."),                 \
	KEY(d ".command-line", "<size>", "2048", "512..64KiB", m.line, "Longest command line in octets.",                        \
	    .text = "A longer one ends the session."),                                                                          \
	KEY(d ".auth-line", "<size>", "12288", "1KiB..64KiB", m.auth_line, "Longest line of an AUTH exchange in octets.",        \
	    .text = "RFC 4954 4 wants 12,288 to be possible."),                                                                 \
	KEY(d ".header-size", "<size>", "256KiB", "1KiB..256KiB", m.header, "Largest header block of a message."),               \
	KEY(d ".header-fields", "<number>", "1000", "10..100000", m.header_fields, "Most header fields of a message."),          \
	KEY(d ".received", "<number>", "100", "10..1000", m.received, "Most Received fields: more is a loop.",                   \
	    .text = "RFC 5321 6.3 wants at least 100 to be allowed."),                                                          \
	KEY(d ".body-line", "<size> | off", "off", "998..16MiB", m.body_line, "Longest line of a message's text; off: any.",     \
	    .text = "RFC 5322 2.1.1 allows 998 octets, but much mail in use is longer."),                                       \
	KEY(d ".bad-commands", "<number>", "10", "1..1000", m.bad_commands, "Commands that fail before the session is ended."),  \
	KEY(d ".bad-recipients", "<number>", "100", "1..10000", m.bad_recipients, "Recipients refused before the session is ended."), \
	KEY(d ".bad-logins", "<number>", "10", "1..1000", m.bad_logins, "Logins that fail before the session is ended.")
// NOLINTEND(bugprone-macro-parentheses)

const struct conf_key conf_key_table[] = {
	KEY("host", "<host>", NULL, NULL, host, "Our own name: in greetings, in Received fields, and as postmaster@host.",
	    .otherwise = "it must be set", .example = "mail.example.org", .shown = true,
	    .text = "The name that the machine's address resolves back to, and that certificates bear."),
	KEY("admin", "<email>", NULL, NULL, admin, "Whom messages about this server itself are for.", .otherwise = "postmaster at the host",
	    .example = "postmaster@example.org"),
	KEY("postmaster", "<account>", NULL, NULL, rules.postmaster, "The account that gets mail for postmaster without a domain and at the host name.",
	    .otherwise = "the first domain's postmaster", .example = "alice",
	    .text = "RFC 5321 4.5.1 wants these addresses to reach somebody."),
	KEY("user", "<user>", "sluice", NULL, user, "As whom the roles run when the server is started by root.",
	    .text = "Started by anybody else, everything runs as that user."),
	KEY("store", "<path>", "/var/lib/sluice", NULL, store_dir, "The folder that holds mail, accounts and password verifiers.",
	    .block = KEY_MAY_BLOCK, .text = "A folder of the server's own on a local disk. Two servers cannot share one."),
	KEY("store.reserve", "<size>", "128MiB", "1MiB..1TiB", store.reserve, "Free space below which new mail is deferred.",
	    .text = "Below it SMTP answers 452 and APPEND says NO; reading, moving and deleting go on."),
	KEY("store.wal-turn", "<size>", "64MiB", "1MiB..16GiB", store.wal_turn, "Size of the write-ahead log at which the checkpoint takes the writer's turn."),
	KEY("store.wal-max", "<size>", "1GiB", "16MiB..64GiB", store.wal_max, "Size of the write-ahead log at which new mail is deferred."),
	KEY("store.staging", "<size>", "64MiB", "1MiB..16GiB", store.staging, "Memory of each role for messages that are on their way in.",
	    .text = "When it is used up, messages are spilled to files from their first octet."),
	KEY("store.readers", "<number>", "8", "1..256", store.readers, "Connections of each role that read the database."),
	KEY("run", "<path>", "/run/sluice", NULL, run_dir, "The folder of the control socket and the pid file."),
	KEY("sandbox", "<yesno>", "no", NULL, sandbox, "Behave as a test server.",
	    .text = "Local parts that end in temperror, permerror, timeout or a code such as 451 get what they ask for. Never in production."),
	PLAIN("include", "<path>", "Read other files as if they stood here.", .many = true, .otherwise = "nothing", .example = "conf.d/*.conf",
	    .text = "Outside of all blocks. The name is seen from the folder of the file that says so; with * ? or [ it is a pattern, and the files "
	    "are read in the order of their names. A pattern may match no file. At most 200 files, 8 deep, each only once."),

	BLOCK("log", "", "Where the log goes and how much is said."),
	PLAIN("log.to", "stderr | syslog | file <path>", "Where the log goes.", .preset = "stderr", .example = "file /var/log/sluice.log",
	    .text = "A file is opened again on SIGUSR1, for log rotation. syslog is the facility mail."),
	PLAIN("log.format", "<format>", "How a line is written.", .preset = "text",
	    .text = "text is a name and key=value pairs; json is one object a line."),
	PLAIN("log.level", "<level> | <module> <level>", "How much is said, by all or by one module.", .preset = "info", .many = true,
	    .example = "smtp debug",
	    .text = "Without a module once, with one once for each. `sluice loglevel` changes it while the server runs."),

	BLOCK("listen", "<name>", "Addresses that belong together and what is offered there.", .many = true, .shown = true,
	    .otherwise = "nothing is offered", .example = "public", .text = "The name is for the log and for you."),
	PLAIN("listen.address", "<address>...", "IP addresses to listen on.", .many = true, .shown = true, .otherwise = "none: only sockets in the file system",
	    .example = "192.0.2.10, 2001:db8::10"),
	SERVICE("smtp", "25", "Mail from other servers (RFC 5321).", .shown = true),
	SERVICE("submission", "587", "Mail from our own users, who log in; TLS by STARTTLS (RFC 6409).", .shown = true),
	SERVICE("submissions", "465", "The same with TLS from the first octet (RFC 8314).", .shown = true),
	SERVICE("imap", "143", "Reading mail; TLS by STARTTLS (RFC 3501).", .shown = true),
	SERVICE("imaps", "993", "The same with TLS from the first octet (RFC 8314).", .shown = true),
	PLAIN("listen.local", "<socket> [mode <mode>] [group <user>]", "Mail from programs on this machine, through a socket in the file system.", .many = true,
	    .otherwise = "not offered; mode 0660", .example = "unix:/run/sluice/submit.sock mode 0660 group sluice",
	    .text = "Who may open the socket may send; the sender is known by the system."),
	PLAIN("listen.lmtp", "<socket> [mode <mode>] [group <user>] | <port>", "Mail for our accounts from a server that speaks LMTP (RFC 2033).", .many = true,
	    .otherwise = "not offered; mode 0660", .example = "unix:/run/sluice/lmtp.sock",
	    .text = "LMTP knows no login: a port is for addresses that only friends can reach."),
	PLAIN("listen.tls", "cert <path> secret <secret>", "A certificate chain and its private key, both PEM.", .many = true, .shown = true,
	    .otherwise = "no TLS", .example = "cert /etc/sluice/mail.pem secret /etc/sluice/mail.key",
	    .text = "Of several the one is used that the client names; the first, when it names none. New contents are read on reload."),
	PLAIN("listen.auth-in-clear", "<yesno>", "Let users log in without TLS.", .preset = "no", .text = "Passwords then cross the network readable by all on the way."),

	PLAIN("domain", "<domain>", "A domain whose mail is ours.", .many = true, .shown = true, .otherwise = "no mail is ours", .example = "example.org",
	    .block = KEY_MAY_BLOCK, .text = "Which addresses there are in it stands in the store: `sluice address`, `sluice alias`."),
	PLAIN("domain.detail", "<separators>", "What parts an address from its detail: you+shop is you.", .otherwise = "no detail", .example = "+", .shown = true),
	PLAIN("domain.case-sensitive", "<yesno>", "Are You and you two addresses?", .preset = "no"),
	PLAIN("domain.catchall", "<account>", "The account that gets mail for addresses that are nobody's.", .otherwise = "such mail is refused", .example = "alice"),
	PLAIN("domain.postmaster", "<account>", "The account that gets mail for postmaster in this domain.", .otherwise = "the address postmaster, if there is one",
	    .example = "alice", .shown = true),

	BLOCK("mx", "", "What strangers may do: limits of the door smtp."),
	DOOR("mx", mx, "100", "30s"),
	BLOCK("submission", "", "What our users may do: limits of the doors submission and submissions."),
	DOOR("submission", submission, "1000", "5m"),
	KEY("submission.hide-client", "<yesno>", "yes", NULL, hide_client, "Leave the user's own address out of the Received field."),
	BLOCK("local", "", "What programs on this machine may do: limits of the doors local and lmtp."),
	DOOR("local", local, "1000", "5m"),
	KEY("local.repair-bare", "<yesno>", "no", NULL, repair_bare, "Make CRLF of line ends that are CR or LF alone, instead of refusing the message.",
	    .text = "Only for the door local. Elsewhere such a message is refused always, since servers disagree where it ends."),

	BLOCK("imap", "", "Limits of the doors imap and imaps."),
	KEY("imap.append", "<size>", "100MiB", "1KiB..4GiB", imap.append, "Largest message that a client may store (RFC 7889)."),
	KEY("imap.line", "<size>", "64KiB", "1KiB..1MiB", imap.line, "Longest command line once logged in."),
	KEY("imap.line-before-login", "<size>", "8KiB", "512..64KiB", imap.line_before, "Longest command line before login."),
	KEY("imap.literals", "<size>", "1MiB", "4KiB..64MiB", imap.literals, "Literals of one command together, but for a message that is stored."),
	KEY("imap.literal-before-login", "<size>", "4KiB", "256..64KiB", imap.literal_before, "Largest literal before login."),
	KEY("imap.literal-count", "<number>", "1000", "1..100000", imap.literal_count, "Most literals of one command."),
	KEY("imap.nesting", "<number>", "50", "4..200", imap.nesting, "How deep lists may stand in lists."),
	KEY("imap.bad-commands", "<number>", "10", "1..1000", imap.bad_commands, "Commands in a row that fail before the session is ended."),
	KEY("imap.compress", "<yesno>", "no", NULL, imap.compress, "Offer COMPRESS=DEFLATE (RFC 4978).",
	    .text = "A compressed session takes up to 32 KiB more while it waits and 300 KiB while it works. What a stranger can have sent beside "
		    "something secret betrays something of that by its length, encrypted or not, so leave it off unless lines are thin."),
	KEY("imap.search", "<yesno>", "yes", NULL, imap_search, "Keep a full-text index, so that searching many messages takes no time.",
	    .text = "It is kept behind delivery and takes about three times the room of the mail's text. Without it a search reads every message, "
		    "and an index that is there is removed."),
	KEY("imap.idle", "<duration>", "30m", "1m..1d", imap.idle_ms, "Silence after which a client that is logged in is sent away.",
	    .text = "RFC 3501 5.4 wants at least 30 minutes."),
	KEY("imap.idle-before-login", "<duration>", "60s", "1s..30m", imap.idle_before_ms, "Silence after which a client that has not logged in is sent away."),

	BLOCK("times", "", "How slow anybody may be, and how long stopping takes."),
	KEY("times.write", "<duration>", "2m", "1s..1h", times.write_ms, "For a client to take what we have to say."),
	KEY("times.min-rate", "<size>", "128", "0..1MiB", times.min_rate, "Octets a second that a message or an answer must flow at least; 0: any.",
	    .text = "Looked at after the first 30 seconds."),
	KEY("times.stop", "<duration>", "30s", "0s..1h", times.stop_ms, "For sessions to finish what they do when the server stops or reloads."),

	BLOCK("pen", "", "How many connections may wait, and how many are worked on at once; for each role."),
	KEY("pen.connections", "<number>", "16384", "16..1000000", pen.connections, "Most connections at once; further ones wait in the kernel."),
	KEY("pen.workers", "<number>", "256", "2..4096", pen.workers, "Most worker threads. They are started as they are needed."),
	KEY("pen.network-share", "<percent>", "25%", "1%..100%", pen.network_share, "Share of the workers that one network (IPv4 /24, IPv6 /48) may hold.",
	    .text = "Loopback and sockets in the file system are exempt."),
	KEY("pen.handshake-share", "<percent>", "25%", "1%..100%", pen.handshake_share, "Share of the workers that TLS handshakes may hold."),
	KEY("pen.handshake", "<duration>", "10s", "1s..10m", pen.handshake_ms, "For a TLS handshake."),
	KEY("pen.busy", "<duration>", "10s", "100ms..10m", pen.busy_ms, "How long a client waits for a free worker before it is sent away with a temporary error."),
	KEY("pen.linger", "<duration>", "5ms", "0ms..1s", pen.linger_ms, "How long a worker waits for a client's next command before it turns to another client."),
	KEY("pen.address-open", "<number> | off", "30", "1..1000000", pen.address_open, "Connections that one address (IPv4, or IPv6 /64) may have open; off: any number."),
	KEY("pen.network-open", "<number> | off", "90", "1..1000000", pen.network_open, "Connections that one network (IPv4 /26, IPv6 /48) may have open; off: any number."),

	BLOCK("auth", "", "How passwords are checked."),
	KEY("auth.workers", "<number>", "2", "1..64", auth_workers, "Password checks at once. Each takes a core and 64 MiB for a moment.",
	    .text = "Few, so that guessing cannot become the denial of service; further logins wait their turn."),
	KEY("auth.scram-iterations", "<number>", "4096", "4096..1000000", scram_iterations, "Rounds in SCRAM verifiers made from now on (RFC 5802, 7677).",
	    .text = "The client must do them too, at each login."),
	KEY("auth.cram-md5", "<yesno>", "no", NULL, cram_md5, "Offer CRAM-MD5.",
	    .text = "For clients that know nothing better. The store must then keep what is as good as the password, for passwords set while this is on."),
};
// clang-format on
const size_t conf_key_count = sizeof conf_key_table / sizeof *conf_key_table;

_Static_assert(sizeof conf_key_table / sizeof *conf_key_table <= KEYS_MAX, "KEYS_MAX is too small");

const char *const conf_later_keys[] = { "transport",   "route",        "drop",         "limit",  "flood",
					"form",        "blocklist",    "policy",       "ledger", "dns",
					"listen.http", "listen.https", "listen.milter" };
const size_t conf_later_count = sizeof conf_later_keys / sizeof *conf_later_keys;

const struct conf_key *key_by_path(struct str path)
{
	for (size_t i = 0; i < conf_key_count; i++)
		if (str_eq(path, str_of(conf_key_table[i].path)))
			return &conf_key_table[i];
	return NULL;
}

bool key_is_in(const struct conf_key *k, const struct conf_key *in)
{
	struct str path = str_of(k->path);
	if (in && (!str_skip(&path, str_of(in->path)) || !str_skipc(&path, '.')))
		return false;
	return str_chr(path, '.') == path.n;
}

const struct conf_key *key_in(const struct conf_key *in, struct str word)
{
	for (size_t i = 0; i < conf_key_count; i++)
		if (key_is_in(&conf_key_table[i], in) && str_eq(key_word(&conf_key_table[i]), word))
			return &conf_key_table[i];
	return NULL;
}

struct str key_word(const struct conf_key *k)
{
	struct str path = str_of(k->path), word = path;
	while (path.n > 0)
		word = str_cut(&path, '.');
	return word;
}

bool key_named(const struct conf_key *k)
{
	return k->block != KEY_LINE && k->many;
}
