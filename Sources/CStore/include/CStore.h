// What the store needs of C that Swift cannot call: variadic functions and function tables of SQLite, and zlib.
#pragma once
#include <sqlite3.h>
#include <zlib.h>

/// Closing the last connection leaves the log alone: no write-back that nobody watches, no file that vanishes.
/// Returns SQLITE_OK or SQLite's error.
int cstore_keep_log_on_close(sqlite3 *connection);

/// fsync of the database file (not of the log), through SQLite's own file. Returns SQLITE_OK or SQLite's error.
int cstore_sync_database(sqlite3 *connection);

/// fsync of the log; SQLITE_OK when there is none.
int cstore_sync_log(sqlite3 *connection);
