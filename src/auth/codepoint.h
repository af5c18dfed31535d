/* codepoint.h - which characters a name or a password may have (RFC 8264 8 and 9).
 *
 * Every code point is valid, valid in free text only, valid in some company
 * only, or not at all; the order of the questions is that of RFC 8264 8.
 * Context rules are those of RFC 5892 Appendix A, the direction rule that of
 * RFC 5893 2.  Pure functions over UCS-4; knows nothing of profiles.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codepoint { CP_VALID, CP_FREE_ONLY, CP_IN_CONTEXT, CP_UNASSIGNED, CP_DISALLOWED };

enum codepoint codepoint_class(uint32_t cp);
/* May the CP_IN_CONTEXT character at `at` stand where it stands? */
bool codepoint_fits(const uint32_t *s, size_t n, size_t at);
/* RFC 5893 2; text without right-to-left characters always passes. */
bool codepoint_bidi(const uint32_t *s, size_t n);
