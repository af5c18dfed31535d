/* notify.h - tell the service manager how we are (sd_notify(3), written by hand). */
#pragma once

/* "READY=1", "STOPPING=1\nSTATUS=...": nothing happens without $NOTIFY_SOCKET. */
void notify(const char *state);
