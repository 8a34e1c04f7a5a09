// The C calls that Swift's Glibc module does not expose (epoll, eventfd, accept4), zlib, and a few calls whose C
// signatures (macros, unions, variadic arguments) cannot be used from Swift.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <zlib.h>

/// A reading of CLOCK_MONOTONIC in nanoseconds: the clock of all deadlines, deaf to changes of the wall clock.
uint64_t clinux_monotonic_nanoseconds(void);

/// Seconds since 1970 of the wall clock, as coarse as the kernel's tick: for Date headers only.
int64_t clinux_wall_seconds(void);

/// The loop that runs on this thread, or NULL: lets a call find out that it needs no hop to another thread.
const void *clinux_current_loop(void);
void clinux_set_current_loop(const void *loop);

/// Registers, changes or removes `fd` at an epoll descriptor (`op` is EPOLL_CTL_*). Returns 0 or -1 with errno.
int clinux_epoll_ctl(int epoll, int op, int fd, uint32_t events, uint64_t data);

/// Takes what is ready, `events[i]` and `data[i]` for each, or becomes so within `milliseconds`. Returns their number or -1.
int clinux_epoll_take(int epoll, uint32_t *events, uint64_t *data, int capacity, int milliseconds);

/// accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC, interrupted calls repeated.
int clinux_accept(int listener, struct sockaddr_storage *address, socklen_t *length);

/// Lets a listening TCP socket ignore new handshakes; those that have begun end well and can be accepted. Who is ignored
/// asks again after a second. Returns 0 or -1.
int clinux_ignore_handshakes(int listener);

/// Prepares `stream` for gzip output. Returns Z_OK or zlib's error.
int clinux_gzip_open(z_stream *stream, int level);

/// The greatest number of epoll events that one call of clinux_epoll_take returns.
#define CLINUX_EPOLL_BATCH 512
