/* base_subject.h - subjects as SORT and THREAD compare them (RFC 5256 2.1), and text as they order it.
 *
 * The base subject is what is left of a subject without "Re:", "Fwd:",
 * "[list]", "(fwd)" and their like, by the RFC's procedure to the letter, as
 * clients that are not connected do it too.  Pure; linear in its input.
 */
#pragma once
#include "base/arena.h"

#define SUBJECT_MAX 2000 /* octets of a decoded subject that are looked at; a line has at most 998 */

/* `subject` as it stands in the header.  `reply`: a "Re:", a "Fwd:", a "(fwd)" was taken off. */
struct str base_subject(struct str subject, struct arena *a, bool *reply);
/* The octets that i;unicode-casemap compares (RFC 5051 2): titlecase, decomposed. */
struct str casemap(struct str utf8, struct arena *a);
