#include "smtp/params.h"

#include "base/num.h"
#include "mail/words.h"

#define ENVID_MAX 100 /* RFC 3461 4.4 */
#define ORCPT_MAX 500 /* RFC 3461 4.2 */

/* xtext (RFC 3461 4): printable ASCII but "+" and "=", which are written as "+HH"; what that hides must be printable
 * too, and ASCII unless `hidden8`. */
static bool xtext_valid(struct str s, bool utf8, bool hidden8)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 0x80 ? !utf8 : (c <= ' ' || c == 0x7f || c == '='))
			return false;
		if (c != '+')
			continue;
		if (i + 2 >= s.n || ch_hex(s.p[i + 1]) < 0 || ch_hex(s.p[i + 2]) < 0 || s.p[i + 1] >= 'a' ||
		    s.p[i + 2] >= 'a')
			return false;
		int hidden = ch_hex(s.p[i + 1]) << 4 | ch_hex(s.p[i + 2]);
		if (hidden < ' ' || hidden == 0x7f || (hidden > 0x7f && !hidden8))
			return false;
		i += 2;
	}
	return s.n > 0 && (!utf8 || utf8_valid(s));
}

struct params {
	struct mail_params mail;
	struct rcpt_params rcpt;
	bool smtputf8;
};

static bool take_size(struct params *p, struct str v)
{
	return num_parse(v, UINT64_MAX, &p->mail.size);
}

/* Our own way is 8-bit clean: 8-bit octets are taken from those who forget the word, too. Who carries the message on
 * must know. */
static bool take_body(struct params *p, struct str v)
{
	p->mail.eight_bit = str_eqi(v, STR("8BITMIME"));
	return str_eqi(v, STR("7BIT")) || str_eqi(v, STR("8BITMIME"));
}

static bool take_smtputf8(struct params *p, struct str v)
{
	return p->mail.smtputf8 = v.n == 0;
}

static bool take_ret(struct params *p, struct str v)
{
	p->mail.ret = str_eqi(v, STR("FULL")) ? STR("FULL") : STR("HDRS");
	return str_eqi(v, p->mail.ret);
}

static bool take_envid(struct params *p, struct str v)
{
	p->mail.envid = v;
	return v.n <= ENVID_MAX && xtext_valid(v, false, false);
}

/* Who sent it first, as another server believes: we trust nobody's word (RFC 4954 5), but the syntax stands. */
static bool take_auth(struct params *p, struct str v)
{
	(void)p;
	return str_eq(v, STR("<>")) || xtext_valid(v, true, false);
}

static bool take_notify(struct params *p, struct str v)
{
	static const struct str words[] = { { "SUCCESS", 7 }, { "FAILURE", 7 }, { "DELAY", 5 } };
	unsigned seen = 0;
	p->rcpt.notify = v;
	if (str_eqi(v, STR("NEVER")))
		return true;
	bool more = true;
	while (more) {
		more = str_chr(v, ',') < v.n;
		struct str word = str_cut(&v, ',');
		unsigned i = 0;
		while (i < 3 && !str_eqi(word, words[i]))
			i++;
		if (i == 3 || (seen & 1u << i))
			return false;
		seen |= 1u << i;
	}
	return true;
}

static bool take_orcpt(struct params *p, struct str v)
{
	p->rcpt.orcpt = v;
	struct str type = str_cut(&v, ';');
	for (size_t i = 0; i < type.n; i++)
		if (!ch_alnum(type.p[i]) && type.p[i] != '-')
			return false;
	/* RFC 6533 3: "utf-8" addresses may carry octets above 127 when SMTPUTF8 was said.  Postfix hides them in an
	 * "rfc822" one; to refuse that would be to refuse all its international mail. */
	bool utf8 = p->smtputf8 && str_eqi(type, STR("utf-8"));
	return type.n > 0 && p->rcpt.orcpt.n <= ORCPT_MAX && xtext_valid(v, utf8, true);
}

enum { OF_MAIL = 1, OF_RCPT = 2 };
enum value { VALUE_NONE, VALUE_SOME };
static const struct param_rule {
	const char *word;
	unsigned of;
	enum value value;
	bool (*take)(struct params *p, struct str value);
} rules[] = {
	{ "SIZE", OF_MAIL, VALUE_SOME, take_size },         { "BODY", OF_MAIL, VALUE_SOME, take_body },
	{ "SMTPUTF8", OF_MAIL, VALUE_NONE, take_smtputf8 }, { "RET", OF_MAIL, VALUE_SOME, take_ret },
	{ "ENVID", OF_MAIL, VALUE_SOME, take_envid },       { "AUTH", OF_MAIL, VALUE_SOME, take_auth },
	{ "NOTIFY", OF_RCPT, VALUE_SOME, take_notify },     { "ORCPT", OF_RCPT, VALUE_SOME, take_orcpt },
};
#define NRULES (sizeof rules / sizeof *rules)

static bool params_parse(struct str s, unsigned of, struct params *out, struct reply *why)
{
	unsigned seen = 0;
	if (s.n > 0 && s.p[0] != ' ') {
		*why = (struct reply){ 501, "5.5.4", "A blank must follow the address" };
		return false;
	}
	while ((s = str_trim(s)).n > 0) {
		struct str value = str_cut(&s, ' ');
		bool has_value = str_chr(value, '=') < value.n;
		struct str word = str_cut(&value, '=');
		size_t i = 0;
		while (i < NRULES && (!(rules[i].of & of) || !str_eqi(word, str_of(rules[i].word))))
			i++;
		if (i == NRULES) {
			*why = (struct reply){ 555, "5.5.4", "A parameter is not known here" };
			return false;
		}
		bool twice = seen & 1u << i;
		seen |= 1u << i;
		if (twice || has_value != (rules[i].value == VALUE_SOME) || !rules[i].take(out, value)) {
			*why = reply_make(501, "5.5.4", "Parameter %s is %s", rules[i].word,
					  twice ? "there twice" : "malformed");
			return false;
		}
	}
	return true;
}

bool mail_params_parse(struct str s, struct mail_params *out, struct reply *why)
{
	struct params p = { .mail = { .envid = STR_NONE, .ret = STR_NONE } };
	bool ok = params_parse(s, OF_MAIL, &p, why);
	*out = p.mail;
	return ok;
}

bool rcpt_params_parse(struct str s, bool smtputf8, struct rcpt_params *out, struct reply *why)
{
	struct params p = { .rcpt = { STR_NONE, STR_NONE }, .smtputf8 = smtputf8 };
	bool ok = params_parse(s, OF_RCPT, &p, why);
	*out = p.rcpt;
	return ok;
}

struct str params_dsn(struct arena *a, const struct mail_params *m, const struct rcpt_params *r)
{
	const struct {
		const char *word;
		struct str value;
	} all[] = { { "ENVID=", m->envid }, { "RET=", m->ret }, { "NOTIFY=", r->notify }, { "ORCPT=", r->orcpt } };
	struct buf b = { 0 };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (all[i].value.n == 0)
			continue;
		if (b.n > 0)
			buf_addc(&b, ' ');
		buf_addz(&b, all[i].word);
		buf_add(&b, all[i].value);
	}
	struct str text = str_dup(a, buf_str(&b));
	buf_free(&b);
	return text;
}
