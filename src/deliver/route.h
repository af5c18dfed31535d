/* route.h - which way does a message take?  Rules in order, the first that fits decides; asked anew at every attempt.
 *
 * Three lists are looked through one after the other: the sender account's, the sender domain's, the configuration's.
 * A rule that says nothing of a thing fits any.  Pure; rules and what they point at belong to the caller.
 */
#pragma once
#include "base/buf.h"

struct route {
	/* "*", "x.example", ".x.example" (with what is below it), "*@x.example", "ann@x.example"; lower case */
	struct str from, to;
	uint32_t from_attempt; /* from this attempt on; the first is 1; 0: any */
	uint64_t larger;       /* octets; 0: any */
	struct str header;     /* "Name: part of the value", case folded; empty: any */
	struct str door;       /* mail that came in by this door ("form", "local"); empty: any */
	struct str via;        /* a transport's name */
	struct str where;      /* file:line, for `explain` */
};
struct route_list {
	const char *name; /* "account ann", "domain x.example", "configuration" */
	const struct route *routes;
	size_t n;
};
struct route_ask {
	struct str from, to; /* addresses; from may be empty */
	uint32_t attempt;
	uint64_t size;
	struct str header, door; /* header: the message's block */
};
/* NULL: no rule fits.  `why` (may be NULL) is told of each rule that was looked at, and what it was that did not fit.
 */
const struct route *route_find(const struct route_list *lists, size_t n, const struct route_ask *ask, struct buf *why);
/* ERR_PERM text for a pattern that can fit nothing; NULL: it is fine. */
const char *route_pattern_wrong(struct str pattern);
