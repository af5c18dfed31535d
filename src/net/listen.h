/* listen.h - listening sockets, made by the parent and handed to roles.
 *
 * The parent may bind privileged ports and create socket files; roles receive
 * descriptors (fdpass).  Nothing here accepts.
 */
#pragma once
#include "base/err.h"
#include "net/addr.h"

int listen_tcp(struct addrport at, int backlog, struct err *e); /* -1 on failure. IPv6 sockets are V6ONLY. */
/* A stale socket file (nobody answers) is replaced; a live one is an error. mode e.g. 0660. */
int listen_unix(const char *path, unsigned mode, int backlog, struct err *e);
int connect_unix(const char *path, struct err *e); /* blocking stream socket */

/* One message, not empty, with up to FDPASS_MAX descriptors over a SOCK_SEQPACKET socket. */
#define FDPASS_MAX 16
bool fdpass_send(int sock, struct str msg, const int *fds, size_t nfds, struct err *e);
/* Receives into buf (room max) and fds (*nfds: room in, how many out); descriptors close-on-exec. What does not
 * fit is an error. *n = 0 at the end of file. */
bool fdpass_recv(int sock, char *buf, size_t max, size_t *n, int *fds, size_t *nfds, struct err *e);
