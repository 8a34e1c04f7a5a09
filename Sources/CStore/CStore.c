// See CStore.h.
#include "CStore.h"

int cstore_keep_log_on_close(sqlite3 *connection) {
  return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

static int sync_file(sqlite3 *connection, int which) {
  sqlite3_file *file = 0;
  int code = sqlite3_file_control(connection, "main", which, &file);
  if (code != SQLITE_OK) return code;
  if (!file || !file->pMethods) return SQLITE_OK;
  return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

int cstore_sync_database(sqlite3 *connection) { return sync_file(connection, SQLITE_FCNTL_FILE_POINTER); }

int cstore_sync_log(sqlite3 *connection) { return sync_file(connection, SQLITE_FCNTL_JOURNAL_POINTER); }
