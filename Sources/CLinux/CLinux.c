#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <time.h>

uint64_t clinux_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t clinux_wall_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec;
}

static __thread const void *current_loop;
const void *clinux_current_loop(void) { return current_loop; }
void clinux_set_current_loop(const void *loop) { current_loop = loop; }

int clinux_epoll_ctl(int epoll, int op, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, op, fd, &event);
}

int clinux_epoll_take(int epoll, uint32_t *events, uint64_t *data, int capacity, int milliseconds) {
    struct epoll_event ready[CLINUX_EPOLL_BATCH];
    if (capacity > CLINUX_EPOLL_BATCH) capacity = CLINUX_EPOLL_BATCH;
    int count = epoll_wait(epoll, ready, capacity, milliseconds);
    for (int i = 0; i < count; i++) {
        events[i] = ready[i].events;
        data[i] = ready[i].data.u64;
    }
    return count;
}

int clinux_accept(int listener, struct sockaddr_storage *address, socklen_t *length) {
    int fd;
    do {
        *length = sizeof *address;
        fd = accept4(listener, (struct sockaddr *)address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int clinux_ignore_handshakes(int listener) {
    // A packet begins with its TCP header here (RFC 9293, section 3.1): byte 13 has the flags. SYN without ACK is dropped.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int clinux_gzip_open(z_stream *stream, int level) {
    memset(stream, 0, sizeof *stream);
    // 15 window bits, + 16 for the gzip wrapper instead of zlib's.
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#include <sched.h>
// Where threads contend for a Mutex of Swift's, the kernel hands it from one to the other, and ThreadSanitizer, which cannot see
// that, reports races that are none. Under it they wait here instead of in Swift's library, in code that it sees.
__attribute__((swiftcall)) void clinux_mutex_lock_slow(uint32_t thread, __attribute__((swift_context)) void *mutex)
    __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
__attribute__((swiftcall)) void clinux_mutex_lock_slow(uint32_t thread, __attribute__((swift_context)) void *mutex) {
    uint32_t none = 0;
    while (!__atomic_compare_exchange_n((uint32_t *)mutex, &none, thread, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        none = 0;
        sched_yield();
    }
}
#endif
#endif
