/* file.h - descriptors that close themselves, and files that are whole or not there. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

void file_close_(int *fd);
#define AUTO_CLOSE __attribute__((cleanup(file_close_)))

bool file_write(int fd, struct str data); /* all of it, or false with errno */
/* The whole file, at most `max` bytes (more is an error), from an open descriptor / a path. */
bool file_read_fd(int fd, size_t max, struct arena *a, struct str *out, struct err *e);
bool file_read(const char *path, size_t max, struct arena *a, struct str *out, struct err *e);
/* Make `name` in `dir` hold `data`, durably, or leave no new file behind.
 * If the last fsync fails the file may exist anyway: retry, never assume loss. */
bool file_commit(int dir, const char *name, struct str data, unsigned mode, struct err *e);
bool file_mkdirs(const char *path, unsigned mode, struct err *e);
