#include "app/conf_type.h"

#include "app/conf.h"
#include "base/num.h"
#include "mail/address.h"
#include "net/addr.h"
#include <sys/un.h>

#define SHOWN_MAX 60 /* octets of a wrong word that a message repeats */

/* --- is it one? ---------------------------------------------------------------- */

/* 1 to `max` letters, digits and `others`, the first a letter or digit. */
static bool is_name(struct str s, size_t max, bool upper, const char *others)
{
	if (s.n == 0 || s.n > max || !ch_alnum(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool letter = upper ? ch_alpha(s.p[i]) : s.p[i] >= 'a' && s.p[i] <= 'z';
		if (!letter && !ch_digit(s.p[i]) && !ch_among(s.p[i], str_of(others)))
			return false;
	}
	return true;
}

static bool check_host(struct str s, struct buf *why)
{
	struct addr a;
	if (addr_parse(s, &a))
		buf_addz(why, "is an address");
	return !why->n && domain_valid(s);
}

static bool check_domain(struct str s, struct buf *why)
{
	struct arena a = { 0 };
	struct str key;
	if (str_chr(s, '@') < s.n)
		buf_addz(why, "is a mail address");
	bool ok = !why->n && domain_valid(s) && address_domain_key(&a, s, &key);
	arena_reset(&a);
	return ok;
}

static bool check_email(struct str s, struct buf *why)
{
	struct arena a = { 0 };
	struct address x;
	bool ok = address_parse(s, &a, &x) && x.domain.n > 0;
	if (!ok && str_chr(s, '@') == s.n)
		buf_addz(why, "has no @");
	arena_reset(&a);
	return ok;
}

static bool check_account(struct str s, struct buf *why)
{
	if (str_chr(s, '@') < s.n)
		buf_addz(why, "is a mail address");
	if (s.n == 0 || s.n > 64)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !ch_digit(s.p[i]) && !ch_among(s.p[i], STR("._-")))
			return false;
	return true;
}

static bool check_name(struct str s, struct buf *why)
{
	(void)why;
	return is_name(s, 32, false, "._-");
}

static bool check_module(struct str s, struct buf *why)
{
	(void)why;
	return is_name(s, 23, false, "_-"); /* what the log keeps of it */
}

static bool check_user(struct str s, struct buf *why)
{
	(void)why;
	return (str_starts(s, STR("_")) && is_name(str_sub(s, 1, s.n), 31, true, "._-")) || is_name(s, 32, true, "._-");
}

static bool no_controls(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool check_path(struct str s, struct buf *why)
{
	if (!str_starts(s, STR("/")))
		buf_addz(why, "does not begin with /");
	else if (s.n > 4000)
		buf_addz(why, "is too long");
	return !why->n && no_controls(s);
}

static bool check_secret(struct str s, struct buf *why)
{
	if (str_skip(&s, STR("cred:")))
		return is_name(s, 255, true, "._-");
	return check_path(s, why);
}

bool conf_socket_path(struct str word, struct str *path)
{
	*path = word;
	return str_skip(path, STR("unix:"));
}

static bool check_socket(struct str s, struct buf *why)
{
	if (!conf_socket_path(s, &s)) {
		if (str_starts(s, STR("/")))
			buf_addz(why, "lacks unix: before it");
		return false;
	}
	if (s.n >= sizeof((struct sockaddr_un *)0)->sun_path) {
		buf_printf(why, "is longer than the %zu octets that the system allows",
			   sizeof((struct sockaddr_un *)0)->sun_path - 1);
		return false;
	}
	return check_path(s, why) && s.n > 1;
}

static bool check_address(struct str s, struct buf *why)
{
	struct addr a;
	struct addrport ap;
	struct prefix p;
	if (addr_parse(s, &a))
		return true;
	if (addrport_parse(s, &ap))
		buf_addz(why, "has a port, which belongs to the service");
	else if (str_chr(s, '/') < s.n && prefix_parse(s, &p))
		buf_addz(why, "is a network");
	return false;
}

static bool check_mode(struct str s, struct buf *why)
{
	(void)why;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '7')
			return false;
	return s.n == 3 || (s.n == 4 && s.p[0] == '0');
}

static bool check_separators(struct str s, struct buf *why)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || ch_alnum(s.p[i]) || ch_among(s.p[i], STR("@.\"\\<>()[],;:"))) {
			buf_printf(why, "has \"%c\", which is no separator", s.p[i]);
			return false;
		}
	return s.n > 0 && s.n <= 8;
}

static bool number_plain(struct str s, uint64_t *out)
{
	return num_parse(s, UINT64_MAX, out);
}

static bool number_percent(struct str s, uint64_t *out)
{
	return str_ends(s, STR("%")) && num_parse(str_sub(s, 0, s.n - 1), UINT64_MAX, out);
}

static bool number_duration(struct str s, uint64_t *out)
{
	int64_t ms;
	if (!num_parse_duration(s, &ms))
		return false;
	*out = (uint64_t)ms;
	return true;
}

static bool number_octal(struct str s, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < s.n; i++)
		*out = *out * 8 + (uint64_t)(s.p[i] - '0');
	return true;
}

/* "5min": how people write units that we write otherwise. */
static bool other_unit(struct str s, struct buf *why, const char *const (*units)[2], size_t n)
{
	struct str rest = s;
	uint64_t v;
	if (!num_take(&rest, UINT64_MAX, &v))
		return false;
	rest = str_trim(rest);
	for (size_t i = 0; i < n; i++)
		if (str_eqi(rest, str_of(units[i][0])))
			buf_printf(why, "is written %llu%s", (unsigned long long)v, units[i][1]);
	if (rest.n == 0)
		buf_addz(why, "has no unit");
	return why->n > 0;
}

static bool check_duration(struct str s, struct buf *why)
{
	static const char *const units[][2] = {
		{ "sec", "s" },   { "secs", "s" },   { "second", "s" },  { "seconds", "s" }, { "min", "m" },
		{ "mins", "m" },  { "minute", "m" }, { "minutes", "m" }, { "hr", "h" },      { "hour", "h" },
		{ "hours", "h" }, { "day", "d" },    { "days", "d" },    { "week", "w" },    { "weeks", "w" },
	};
	uint64_t v;
	return number_duration(s, &v) || (other_unit(s, why, units, sizeof units / sizeof *units), false);
}

static bool check_size(struct str s, struct buf *why)
{
	static const char *const units[][2] = { { "kb", "KiB" }, { "mb", "MiB" }, { "gb", "GiB" },
						{ "tb", "TiB" }, { "ki", "KiB" }, { "mi", "MiB" },
						{ "gi", "GiB" }, { "b", "" },     { "t", "TiB" } };
	uint64_t v;
	return num_parse_size(s, &v) || (other_unit(s, why, units, sizeof units / sizeof *units), false);
}

static bool check_percent(struct str s, struct buf *why)
{
	uint64_t v;
	if (num_parse(s, UINT64_MAX, &v))
		buf_addz(why, "has no % behind it");
	return number_percent(s, &v);
}

static bool check_number(struct str s, struct buf *why)
{
	uint64_t v;
	(void)why;
	return number_plain(s, &v);
}

static const char *const yes_no[] = { "yes", "no", NULL };
static const char *const levels[] = { "error", "warn", "notice", "info", "debug", NULL };
static const char *const formats[] = { "text", "json", NULL };

static bool check_yes_no(struct str s, struct buf *why)
{
	static const char *const spelt[][2] = { { "on", "yes" },      { "true", "yes" },   { "1", "yes" },
						{ "enabled", "yes" }, { "enable", "yes" }, { "off", "no" },
						{ "false", "no" },    { "0", "no" },       { "disabled", "no" },
						{ "disable", "no" },  { "never", "no" } };
	for (size_t i = 0; i < sizeof spelt / sizeof *spelt; i++)
		if (str_eqi(s, str_of(spelt[i][0])))
			buf_printf(why, "is written %s", spelt[i][1]);
	return str_eq(s, STR("yes")) || str_eq(s, STR("no"));
}

static bool is_choice(const char *const *choices, struct str s, struct buf *why)
{
	struct str words[8];
	size_t n = 0;
	for (; choices[n]; n++) {
		words[n] = str_of(choices[n]);
		if (str_eq(s, words[n]))
			return true;
	}
	struct str meant = did_you_mean(s, words, n);
	if (meant.n > 0)
		buf_printf(why, "is unknown, did you mean \"%.*s\"?", STRF(meant));
	return false;
}

static bool check_level(struct str s, struct buf *why)
{
	return is_choice(levels, s, why);
}

static bool check_format(struct str s, struct buf *why)
{
	return is_choice(formats, s, why);
}

/* --- the table ----------------------------------------------------------------- */

// clang-format off
const struct conf_type conf_types[] = {
	{ "account", "an account name of 1 to 64 letters a-z, digits and . _ -", "Whether there is such an account is not checked here: accounts stand in the store.", check_account },
	{ "address", "an IP address such as 192.0.2.1 or 2001:db8::1", "0.0.0.0 is every IPv4 address of the machine, :: every IPv6 address.", check_address },
	{ "domain", "a domain such as example.org", "May be written in Unicode; it is compared in its ASCII form.", check_domain },
	{ "duration", "a duration such as 30s, 5m or 2h", "A whole number and a unit: ms, s, m (minutes), h, d or w.", check_duration, number_duration },
	{ "email", "a mail address such as postmaster@example.org", NULL, check_email },
	{ "format", "text or json", NULL, check_format, NULL, formats },
	{ "host", "a host name such as mail.example.org", NULL, check_host },
	{ "level", "error, warn, notice, info or debug", "Each level has those before it.", check_level, NULL, levels },
	{ "mode", "a file mode such as 0660", NULL, check_mode, number_octal },
	{ "module", "a module such as smtp", "The part of an event's name before its first dot.", check_module },
	{ "name", "a name of 1 to 32 letters a-z, digits and . _ -", NULL, check_name },
	{ "number", "a number", NULL, check_number, number_plain },
	{ "path", "an absolute path such as /var/lib/sluice", NULL, check_path },
	{ "percent", "a percentage such as 25%", NULL, check_percent, number_percent },
	{ "port", "a port from 1 to 65535", NULL, check_number, number_plain },
	{ "secret", "a file such as /etc/sluice/mail.key, or cred:NAME", "The file must not be readable for its group or others. cred:NAME is the file NAME in the folder $CREDENTIALS_DIRECTORY that systemd gives to services.", check_secret },
	{ "separators", "1 to 8 separators such as +", "Each character is one.", check_separators },
	{ "size", "a size such as 64KiB, 100MiB or 1GiB", "A whole number of octets, or of KiB (1,024 octets), MiB, GiB or TiB.", check_size, num_parse_size },
	{ "socket", "a socket such as unix:/run/sluice/submit.sock", NULL, check_socket },
	{ "user", "a user or group name such as sluice", NULL, check_user },
	{ "yesno", "yes or no", NULL, check_yes_no, NULL, yes_no },
};
// clang-format on
const size_t conf_type_count = sizeof conf_types / sizeof *conf_types;

const struct conf_type *conf_type(struct str name)
{
	for (size_t i = 0; i < conf_type_count; i++)
		if (str_eq(name, str_of(conf_types[i].name)))
			return &conf_types[i];
	return NULL;
}

/* --- ranges and messages --------------------------------------------------------- */

/* A key's range is of its number, whichever else it takes. */
static const char *range_of(const struct conf_type *t, const struct conf_key *k)
{
	if (strcmp(t->name, "port") == 0)
		return "1..65535";
	return t->number && t->number != number_octal && k ? k->range : NULL;
}

bool conf_range(const struct conf_type *t, const char *range, uint64_t *least, uint64_t *most)
{
	struct str low = str_of(range), high = low;
	size_t dots = str_find(low, STR(".."));
	low = str_sub(low, 0, dots);
	high = str_sub(high, dots + 2, high.n);
	return t->number && t->number(low, least) && t->number(high, most) && *least <= *most;
}

void conf_expect(const struct conf_type *t, const struct conf_key *k, struct buf *b)
{
	const char *range = range_of(t, k);
	if (!range || strcmp(t->name, "port") == 0) {
		buf_addz(b, t->expect);
		return;
	}
	struct str low = str_of(range);
	size_t dots = str_find(low, STR(".."));
	buf_printf(b, "%s%s from %.*s to %s", t->expect, strchr(t->expect, ',') ? "," : "", (int)dots, range,
		   range + dots + 2);
}

void conf_show(struct buf *b, struct str word)
{
	size_t n = word.n;
	if (n > SHOWN_MAX)
		for (n = SHOWN_MAX; n > 0 && ((unsigned char)word.p[n] & 0xc0) == 0x80;)
			n--;
	buf_addc(b, '"');
	for (size_t i = 0; i < n; i++)
		if (word.p[i] == '\n')
			buf_addz(b, "\\n");
		else
			buf_addc(b, word.p[i]);
	buf_addz(b, n < word.n ? "...\"" : "\"");
}

bool conf_type_check(const struct conf_type *t, const struct conf_key *k, struct str word, struct buf *why)
{
	struct buf detail = { 0 };
	const char *range = range_of(t, k);
	uint64_t least, most, v;
	bool ok = t->check(word, &detail);
	if (ok && range && t->number(word, &v) && conf_range(t, range, &least, &most) && (v < least || v > most)) {
		buf_addz(&detail, v < least ? "is too small" : "is too large");
		ok = false;
	}
	if (!ok) {
		conf_show(why, word);
		buf_printf(why, "%s%.*s%s expected ", detail.n ? " " : "", STRF(buf_str(&detail)),
			   str_ends(buf_str(&detail), STR("?")) ? "" : ":");
		conf_expect(t, k, why);
	}
	buf_free(&detail);
	return ok;
}

uint64_t conf_number(const struct conf_type *t, struct str word)
{
	uint64_t v = 0;
	return t->number && t->number(word, &v) ? v : 0;
}

void conf_list_words(struct buf *b, const struct str *words, size_t n, const char *last)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_printf(b, "%s", i + 1 < n ? ", " : last);
		buf_add(b, words[i]);
	}
}
