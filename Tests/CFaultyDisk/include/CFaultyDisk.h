// A disk for tests: an SQLite VFS that knows what has really been synced, can lose power, and can fail.
#pragma once
#include <sqlite3.h>
#include <stdint.h>

/// Becomes the default VFS of the process. Files whose path contains `marker` are watched, all others passed through.
int faultydisk_install(const char *marker);

/// Forgets all watched files, which must be closed, and counts and faults; for files whose path contains `folder`.
void faultydisk_begin(const char *folder);

/// Writes, truncations and syncs of watched files so far.
int64_t faultydisk_operations(void);

/// At the operation `number`, before it is carried out, writes what a loss of power would leave of each file into
/// `target` (a folder): what was synced, and of what was not a random part, torn at 512 bytes. `seed` chooses.
void faultydisk_cut_at(int64_t number, const char *target, uint64_t seed);

/// What the program under test has promised so far; kept with the cut.
void faultydisk_acknowledge(int64_t value);

/// What was acknowledged when the power was lost; -1 before that.
int64_t faultydisk_acknowledged_at_cut(void);

enum { FAULTYDISK_WRITE = 1, FAULTYDISK_SYNC = 2, FAULTYDISK_OPEN = 4 };
/// The call `number` from now on (1 is the next one) of these kinds fails with SQLite's `code`; `count` calls do.
void faultydisk_fail(int kinds, int64_t number, int64_t count, int code);
/// Whether a call has failed on purpose since `faultydisk_fail`.
int64_t faultydisk_failures(void);
