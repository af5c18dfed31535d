/* clock.h - two clocks that must not be mixed.
 *
 * wall_ms: what people see and what is stored (Unix time, milliseconds).  It can step.
 * mono_ms: for waits and timers; never steps, means nothing in another boot.
 * Variables carry the clock in their name.  Modules take the time as a
 * parameter; only sessions, the pen and main read these clocks.
 */
#pragma once
#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void);
