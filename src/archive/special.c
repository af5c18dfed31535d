#include "archive/special.h"

/* As mail programs name them, in the languages of those who met them most; lower case. */
static const struct {
	const char *name;
	enum special_use use;
} usual[] = {
	/* clang-format off */
	{ "sent", USE_SENT },		  { "sent items", USE_SENT },	   { "sent messages", USE_SENT },
	{ "sent mail", USE_SENT },	  { "sent-mail", USE_SENT },	   { "sentmail", USE_SENT },
	{ "gesendet", USE_SENT },	  { "gesendete objekte", USE_SENT }, { "gesendete elemente", USE_SENT },
	{ "envoy\xc3\xa9s", USE_SENT },	  { "messages envoy\xc3\xa9s", USE_SENT }, { "enviados", USE_SENT },
	{ "drafts", USE_DRAFTS },	  { "draft", USE_DRAFTS },	   { "entw\xc3\xbcrfe", USE_DRAFTS },
	{ "brouillons", USE_DRAFTS },	  { "borradores", USE_DRAFTS },
	{ "junk", USE_JUNK },		  { "spam", USE_JUNK },		   { "junk e-mail", USE_JUNK },
	{ "junk email", USE_JUNK },	  { "junk mail", USE_JUNK },	   { "bulk mail", USE_JUNK },
	{ "junk-e-mail", USE_JUNK },	  { "pourriel", USE_JUNK },
	{ "trash", USE_TRASH },		  { "deleted items", USE_TRASH },  { "deleted messages", USE_TRASH },
	{ "bin", USE_TRASH },		  { "papierkorb", USE_TRASH },	   { "gel\xc3\xb6schte objekte", USE_TRASH },
	{ "gel\xc3\xb6schte elemente", USE_TRASH }, { "corbeille", USE_TRASH }, { "papelera", USE_TRASH },
	{ "archive", USE_ARCHIVE },	  { "archives", USE_ARCHIVE },	   { "archiv", USE_ARCHIVE },
	/* clang-format on */
};

enum special_use special_use_of(struct str name)
{
	static const struct str above[] = { STR("INBOX/"), STR("[Gmail]/"), STR("[Google Mail]/") };
	for (size_t i = 0; i < sizeof above / sizeof *above; i++)
		if (str_skip(&name, above[i]))
			break;
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		if (str_eqi(name, str_of(usual[i].name)))
			return usual[i].use;
	return USE_NONE;
}
