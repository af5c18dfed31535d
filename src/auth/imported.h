/* imported.h - password hashes that other systems made.
 *
 * What crypt(3) of this system computes, and Argon2 in its text form, each
 * with a bound on what one check may cost: a hash is taken once, at import,
 * and would then be worked through for every stranger that guesses.  Such a
 * hash was made of the octets that were typed, so it is checked with those;
 * at the first success our own verifiers take its place (password.h).
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

#define IMPORTED_MAX 256 /* octets of a hash */

enum imported { IMPORTED_CRYPT, IMPORTED_ARGON2 };
/* A "{SCHEME}" in front, as in Dovecot's files, is dropped.  False: ERR_PERM, with what would be right. */
bool imported_read(struct str *hash, enum imported *kind, struct err *e);

bool imported_crypt_verify(struct str hash, struct str typed);
bool imported_argon2_verify(struct str hash, struct str typed);
