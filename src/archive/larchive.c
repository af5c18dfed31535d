#include "archive/larchive.h"

#include "base/str.h"
#include <dlfcn.h>
#include <locale.h>

#define LIBRARY "libarchive.so.13"

static bool load(struct larchive *l, struct err *e)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return err_set(e, ERR_TEMP, "archives need %s (Debian: apt-get install libarchive13): %s", LIBRARY,
			       dlerror());
#define LARCHIVE_LOAD(name)                            \
	if (!(*(void **)&l->name = dlsym(lib, #name))) \
		return err_set(e, ERR_TEMP, "%s is too old: it has no %s", LIBRARY, #name);
	LARCHIVE_CALLS(LARCHIVE_LOAD)
#undef LARCHIVE_LOAD
	/* Names in archives are UTF-8, and libarchive asks the locale what ours are. */
	setlocale(LC_CTYPE, "C.UTF-8");
	return true;
}

const struct larchive *larchive(struct err *e)
{
	static struct larchive calls;
	static bool loaded;
	if (!loaded)
		loaded = load(&calls, e);
	return loaded ? &calls : NULL;
}

enum packing packing_of(const char *path)
{
	static const struct {
		const char *end;
		enum packing packing;
	} ends[] = {
		{ ".tar", PACKING_TAR },      { ".tgz", PACKING_TGZ },         { ".tar.gz", PACKING_TGZ },
		{ ".zip", PACKING_ZIP },      { ".tar.zst", PACKING_TAR_ZST }, { ".tzst", PACKING_TAR_ZST },
		{ ".tar.xz", PACKING_OTHER }, { ".txz", PACKING_OTHER },       { ".tar.bz2", PACKING_OTHER },
		{ ".tbz2", PACKING_OTHER },
	};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (str_endsi(str_of(path), str_of(ends[i].end)))
			return ends[i].packing;
	return PACKING_NONE;
}
