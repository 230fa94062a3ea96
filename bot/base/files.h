/*
 * files.h - file descriptors: the process's limit, and whether enough of them are left.
 */
#pragma once

#include <stdbool.h>

/* Raises the soft limit up to what the daemon may need; if that fails, it continues with fewer. */
void files_raise_limit(void);

/* Whether few descriptors are left, judged by one just opened (the system assigns the lowest free
 * number). Connections of clients are then refused: the homeserver, the database and the spool need
 * the rest. */
bool files_are_few(int fd);
