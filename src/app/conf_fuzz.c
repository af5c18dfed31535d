/* Any text: parsed, checked, made into settings, printed; what is printed means the same. */
#include "app/conf.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *take(struct str text, struct arena *a, struct settings *s)
{
	struct conf_text one = { STR("fuzz.conf"), text };
	struct conf_errors errors = { 0 };
	struct conf *c = conf_parse(&one, 1, a, &errors);
	if (c && !settings_from(c, a, s, &errors))
		c = NULL;
	assert(c || errors.n > 0);
	buf_free(&errors.text);
	return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct settings s;
	struct buf printed = { 0 }, again = { 0 };
	struct conf *c = take((struct str){ (const char *)data, size }, &a, &s);
	if (c) {
		conf_print(c, &printed, true);
		c = take(buf_str(&printed), &a, &s);
		assert(c);
		conf_print(c, &again, true);
		assert(str_eq(buf_str(&printed), buf_str(&again)));
	}
	struct conf_text *texts;
	size_t n;
	conf_unpack((struct str){ (const char *)data, size }, &a, &texts, &n);
	buf_free(&printed);
	buf_free(&again);
	arena_reset(&a);
	return 0;
}
