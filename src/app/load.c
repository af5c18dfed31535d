#include "app/load.h"

#include "app/conf_tree.h"
#include "base/file.h"
#include "base/log.h"

#define CONF_TEXT_MAX ((size_t)4 << 20)

static void add_place(struct loaded *l, size_t *cap, struct place p)
{
	l->places = arena_grow(&l->arena, l->places, cap, l->nplaces + 1, sizeof *l->places);
	l->places[l->nplaces++] = p;
}

static bool list_places(struct loaded *l, struct conf_errors *errors)
{
	size_t cap = 0;
	for (size_t i = 0; i < l->settings.nlistens; i++) {
		const struct listen_conf *c = &l->settings.listens[i];
		for (size_t j = 0; j < c->nservices; j++) {
			const struct listen_service *s = &c->services[j];
			struct place p = { .listener = (uint16_t)i,
					   .index = (uint16_t)j,
					   .service = s->service,
					   .path = s->path,
					   .mode = s->mode,
					   .group = s->group,
					   .where = s->where };
			p.unix_socket = s->path.n > 0;
			for (size_t k = 0; k < c->naddresses && !p.unix_socket; k++) {
				p.at = (struct addrport){ c->addresses[k], s->port };
				add_place(l, &cap, p);
			}
			if (p.unix_socket)
				add_place(l, &cap, p);
		}
	}
	if (l->nplaces <= PLACES_MAX)
		return true;
	buf_printf(&errors->text, "%zu listening sockets are configured, at most %d are possible\n", l->nplaces,
		   PLACES_MAX);
	errors->n++;
	return false;
}

static bool understand(struct loaded *l, struct conf_errors *errors)
{
	l->conf = conf_parse(l->texts, l->ntexts, &l->arena, errors);
	if (l->conf && settings_from(l->conf, &l->arena, &l->settings, errors) && list_places(l, errors))
		return true;
	load_free(l);
	return false;
}

bool load_file(const char *path, struct loaded *l, struct conf_errors *errors)
{
	*l = (struct loaded){ 0 };
	if (!conf_read(path, &l->arena, &l->texts, &l->ntexts, errors)) {
		load_free(l);
		return false;
	}
	return understand(l, errors);
}

bool load_blob(struct str blob, struct loaded *l, struct conf_errors *errors)
{
	*l = (struct loaded){ 0 };
	if (!conf_unpack(str_dup(&l->arena, blob), &l->arena, &l->texts, &l->ntexts)) {
		buf_addz(&errors->text, "the configuration came damaged\n");
		errors->n++;
		load_free(l);
		return false;
	}
	return understand(l, errors);
}

bool load_run_dir(const char *path, struct loaded *l, struct err *e)
{
	struct conf_errors ignored = { 0 };
	struct conf tree = { 0 };
	struct str text;
	*l = (struct loaded){ .settings = { .run_dir = STR("/run/sluice") } };
	if (!file_read(path, CONF_TEXT_MAX, &l->arena, &text, e))
		return false;
	if (!conf_read(path, &l->arena, &l->texts, &l->ntexts, &ignored)) {
		l->texts = ARENA_NEW(&l->arena, struct conf_text);
		*l->texts = (struct conf_text){ str_dup(&l->arena, str_of(path)), text };
		l->ntexts = 1;
	}
	/* A tree with mistakes is a tree, as far as it goes. */
	conf_tree(l->texts, l->ntexts, &l->arena, &tree, &ignored);
	for (const struct conf_node *n = tree.root.first; n; n = n->next)
		if (n->nwords == 2 && str_eq(n->words[0].text, STR("run")))
			l->settings.run_dir = n->words[1].text;
	buf_free(&ignored.text);
	return true;
}

void load_free(struct loaded *l)
{
	arena_reset(&l->arena);
	*l = (struct loaded){ 0 };
}

void load_levels(const struct loaded *l)
{
	log_level_set(STR_NONE, l->settings.log.level);
	for (size_t i = 0; i < l->settings.nlog_modules; i++)
		log_level_set(l->settings.log_modules[i].module, l->settings.log_modules[i].level);
}

const char *load_run_path(struct loaded *l, const char *name)
{
	return str_z(&l->arena, str_fmt(&l->arena, "%.*s/%s", STRF(l->settings.run_dir), name));
}

const char *load_store_path(struct loaded *l, const char *name)
{
	return str_z(&l->arena, str_fmt(&l->arena, "%.*s/%s", STRF(l->settings.store_dir), name));
}
