// See CFaultyDisk.h. One lock for everything: it is a test's disk.
#include "CFaultyDisk.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Change { int64_t offset, size; unsigned char *bytes; } Change; // bytes NULL: truncation to offset
typedef struct Image {
  char path[512];
  unsigned char *synced; int64_t size, capacity;
  Change *changes; int64_t count, room;
  struct Image *next;
} Image;
typedef struct File { sqlite3_file base; Image *image; sqlite3_file *real; } File;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sqlite3_vfs *real_vfs, vfs;
static sqlite3_io_methods methods;
static char marker[64], folder[512], target[512];
static Image *images;
static int64_t operations, cut_at = -1, acknowledged, acknowledged_at_cut = -1;
static int fail_kinds, fail_code; static int64_t fail_in, fail_count, failures;
static uint64_t state;

static uint64_t next_random(void) {
  uint64_t z = (state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull; z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

static void put(unsigned char **bytes, int64_t *size, int64_t *capacity, int64_t offset, const unsigned char *from, int64_t n) {
  if (offset + n > *capacity) {
    *capacity = (offset + n) * 2; *bytes = realloc(*bytes, (size_t)*capacity);
  }
  if (offset > *size) memset(*bytes + *size, 0, (size_t)(offset - *size));
  memcpy(*bytes + offset, from, (size_t)n);
  if (offset + n > *size) *size = offset + n;
}

static void apply_all(Image *image) {
  for (int64_t i = 0; i < image->count; i++) {
    Change *change = &image->changes[i];
    if (change->bytes) { put(&image->synced, &image->size, &image->capacity, change->offset, change->bytes, change->size); free(change->bytes); }
    else if (change->offset < image->size) image->size = change->offset;
  }
  image->count = 0;
}

static void cut(void) {
  acknowledged_at_cut = acknowledged;
  for (Image *image = images; image; image = image->next) {
    unsigned char *bytes = malloc((size_t)image->size + 1); int64_t size = image->size, capacity = image->size + 1;
    memcpy(bytes, image->synced, (size_t)size);
    uint64_t kind = next_random() % 4; // all lost, all kept, a prefix, any
    int64_t prefix = image->count ? (int64_t)(next_random() % (uint64_t)(image->count + 1)) : 0;
    for (int64_t i = 0; i < image->count; i++) {
      Change *change = &image->changes[i];
      int keep = kind == 0 ? 0 : kind == 1 ? 1 : kind == 2 ? i < prefix : (int)(next_random() & 1);
      if (!keep) continue;
      if (!change->bytes) { if (change->offset < size) size = change->offset; continue; }
      for (int64_t at = 0; at < change->size; at += 512) {
        if (kind == 3 && next_random() % 8 == 0) continue;
        int64_t n = change->size - at < 512 ? change->size - at : 512;
        put(&bytes, &size, &capacity, change->offset + at, change->bytes + at, n);
      }
    }
    char path[1100]; const char *name = strrchr(image->path, '/');
    snprintf(path, sizeof path, "%s%s", target, name ? name : image->path);
    FILE *out = fopen(path, "wb");
    if (out) { fwrite(bytes, 1, (size_t)size, out); fclose(out); }
    free(bytes);
  }
}

/// What was there before counts as synced.
static void read_all(Image *image) {
  FILE *in = fopen(image->path, "rb");
  if (!in) return;
  unsigned char part[65536]; size_t n;
  while ((n = fread(part, 1, sizeof part, in)) > 0) put(&image->synced, &image->size, &image->capacity, image->size, part, (int64_t)n);
  fclose(in);
}

static void note(Image *image, int64_t offset, const void *bytes, int64_t n) {
  if (image->count == image->room) {
    image->room = image->room * 2 + 64; image->changes = realloc(image->changes, sizeof(Change) * (size_t)image->room);
  }
  Change *change = &image->changes[image->count++];
  change->offset = offset; change->size = n; change->bytes = NULL;
  if (bytes) { change->bytes = malloc((size_t)n + 1); memcpy(change->bytes, bytes, (size_t)n); }
}

static int begin_operation(int kind) { // with the lock
  if (kind != FAULTYDISK_OPEN && ++operations == cut_at) cut();
  if (!(fail_kinds & kind) || --fail_in > 0 || fail_count <= 0) return SQLITE_OK;
  fail_count--; failures++;
  return fail_code;
}

#define REAL(f) (((File *)(f))->real)
static int x_close(sqlite3_file *f) { int code = REAL(f)->pMethods->xClose(REAL(f)); free(REAL(f)); return code; }
static int x_read(sqlite3_file *f, void *b, int n, sqlite3_int64 o) { return REAL(f)->pMethods->xRead(REAL(f), b, n, o); }
static int x_write(sqlite3_file *f, const void *b, int n, sqlite3_int64 o) {
  Image *image = ((File *)f)->image; int code = SQLITE_OK;
  if (image) {
    pthread_mutex_lock(&lock); code = begin_operation(FAULTYDISK_WRITE);
    if (code == SQLITE_OK) note(image, o, b, n);
    pthread_mutex_unlock(&lock);
  }
  return code != SQLITE_OK ? code : REAL(f)->pMethods->xWrite(REAL(f), b, n, o);
}
static int x_truncate(sqlite3_file *f, sqlite3_int64 size) {
  Image *image = ((File *)f)->image;
  if (image) {
    pthread_mutex_lock(&lock); begin_operation(0); note(image, size, NULL, 0); pthread_mutex_unlock(&lock);
  }
  return REAL(f)->pMethods->xTruncate(REAL(f), size);
}
static int x_sync(sqlite3_file *f, int flags) {
  Image *image = ((File *)f)->image; (void)flags;
  if (!image) return SQLITE_OK; // tests need no real fsync
  pthread_mutex_lock(&lock);
  int code = begin_operation(FAULTYDISK_SYNC);
  if (code == SQLITE_OK) apply_all(image);
  pthread_mutex_unlock(&lock);
  return code;
}
static int x_size(sqlite3_file *f, sqlite3_int64 *s) { return REAL(f)->pMethods->xFileSize(REAL(f), s); }
static int x_lock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xLock(REAL(f), l); }
static int x_unlock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xUnlock(REAL(f), l); }
static int x_check(sqlite3_file *f, int *r) { return REAL(f)->pMethods->xCheckReservedLock(REAL(f), r); }
static int x_control(sqlite3_file *f, int op, void *a) { return REAL(f)->pMethods->xFileControl(REAL(f), op, a); }
static int x_sector(sqlite3_file *f) { return REAL(f)->pMethods->xSectorSize(REAL(f)); }
static int x_device(sqlite3_file *f) { return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f)); }
static int x_shm_map(sqlite3_file *f, int p, int s, int e, void volatile **v) { return REAL(f)->pMethods->xShmMap(REAL(f), p, s, e, v); }
static int x_shm_lock(sqlite3_file *f, int o, int n, int l) { return REAL(f)->pMethods->xShmLock(REAL(f), o, n, l); }
static void x_shm_barrier(sqlite3_file *f) { REAL(f)->pMethods->xShmBarrier(REAL(f)); }
static int x_shm_unmap(sqlite3_file *f, int d) { return REAL(f)->pMethods->xShmUnmap(REAL(f), d); }

static int x_open(sqlite3_vfs *self, const char *name, sqlite3_file *f, int flags, int *out) {
  File *file = (File *)f; (void)self;
  memset(file, 0, sizeof *file);
  int watched = name && marker[0] && strstr(name, marker) && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL));
  if (watched) {
    pthread_mutex_lock(&lock); int code = begin_operation(FAULTYDISK_OPEN); pthread_mutex_unlock(&lock);
    if (code != SQLITE_OK) return code;
  }
  file->real = calloc(1, (size_t)real_vfs->szOsFile);
  int code = real_vfs->xOpen(real_vfs, name, file->real, flags, out);
  if (code != SQLITE_OK || !file->real->pMethods) { free(file->real); file->real = NULL; return code; }
  file->base.pMethods = &methods;
  if (watched && folder[0] && strstr(name, folder)) {
    pthread_mutex_lock(&lock);
    Image *image = images;
    while (image && strcmp(image->path, name)) image = image->next;
    if (!image) {
      image = calloc(1, sizeof *image); snprintf(image->path, sizeof image->path, "%s", name);
      read_all(image);
      image->next = images; images = image;
    }
    file->image = image;
    pthread_mutex_unlock(&lock);
  }
  return SQLITE_OK;
}

int faultydisk_install(const char *text) {
  pthread_mutex_lock(&lock);
  int code = SQLITE_OK;
  if (!real_vfs) {
    snprintf(marker, sizeof marker, "%s", text);
    real_vfs = sqlite3_vfs_find(0); vfs = *real_vfs;
    vfs.szOsFile = sizeof(File); vfs.zName = "faultydisk"; vfs.pNext = 0; vfs.xOpen = x_open;
    methods = (sqlite3_io_methods){2, x_close, x_read, x_write, x_truncate, x_sync, x_size, x_lock, x_unlock, x_check,
      x_control, x_sector, x_device, x_shm_map, x_shm_lock, x_shm_barrier, x_shm_unmap, 0, 0};
    code = sqlite3_vfs_register(&vfs, 1);
  }
  pthread_mutex_unlock(&lock);
  return code;
}
void faultydisk_begin(const char *text) {
  pthread_mutex_lock(&lock);
  snprintf(folder, sizeof folder, "%s", text);
  while (images) {
    Image *image = images; images = image->next;
    apply_all(image);
    free(image->changes); free(image->synced); free(image);
  }
  operations = 0; cut_at = -1; acknowledged = 0; acknowledged_at_cut = -1; fail_kinds = 0; failures = 0;
  pthread_mutex_unlock(&lock);
}
int64_t faultydisk_operations(void) { pthread_mutex_lock(&lock); int64_t n = operations; pthread_mutex_unlock(&lock); return n; }
void faultydisk_cut_at(int64_t number, const char *text, uint64_t seed) {
  pthread_mutex_lock(&lock);
  cut_at = number; snprintf(target, sizeof target, "%s", text); state = seed; acknowledged_at_cut = -1;
  pthread_mutex_unlock(&lock);
}
void faultydisk_acknowledge(int64_t value) { pthread_mutex_lock(&lock); acknowledged = value; pthread_mutex_unlock(&lock); }
int64_t faultydisk_acknowledged_at_cut(void) { pthread_mutex_lock(&lock); int64_t n = acknowledged_at_cut; pthread_mutex_unlock(&lock); return n; }
void faultydisk_fail(int kinds, int64_t number, int64_t count, int code) {
  pthread_mutex_lock(&lock);
  fail_kinds = kinds; fail_in = number; fail_count = count; fail_code = code; failures = 0;
  pthread_mutex_unlock(&lock);
}
int64_t faultydisk_failures(void) { pthread_mutex_lock(&lock); int64_t n = failures; pthread_mutex_unlock(&lock); return n; }
