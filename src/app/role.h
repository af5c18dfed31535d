/* role.h - a role's process: born, opened, fenced, then at work until told to leave.
 *
 * `sluice role NAME`, started by the parent alone, with one end of a socket
 * as descriptor 3.  It reads its birth (letter.h), opens what its row in
 * roles.h names, puts up its fence, says that it is ready, and runs the pen.
 * A second thread reads what the parent sends meanwhile.  It exits when
 * that socket ends (the parent is gone), when it was told to and its sessions have
 * ended, or when its store can no longer be trusted.
 */
#pragma once

#define ROLE_SOCKET 3
/* Its exit code: EX_OK when it was told to leave. EX_USAGE: no parent has started it. */
int role_main(const char *name);
