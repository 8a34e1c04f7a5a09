// A closed loop of many connections: each sends its next request when the answer to the last one is there. Counts what
// was answered 2xx, what was turned away, and how long either took.
//
//   load PORT CONNECTIONS SECONDS FILE [RETRY_MILLISECONDS]
//
// FILE holds the request, byte for byte; %d in it becomes the connection's number. After a 503 a connection waits for
// RETRY_MILLISECONDS (0: it comes back at once). Prints one JSON object.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct { int fd, state, got; double sent, due; char head[512]; long need; } client;
enum { CLOSED, CONNECTING, WAITING, RESTING };

static int port, epoll_fd;
static char *template;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static int compare(const void *a, const void *b) { double x = *(double *)a, y = *(double *)b; return (x > y) - (x < y); }

static void start(client *c, int index) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    connect(c->fd, (void *)&to, sizeof to);
    c->state = CONNECTING;
    c->sent = now();
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.u32 = index};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
}

static void request(client *c, int index) {
    char text[8192];
    int length = snprintf(text, sizeof text, template, index, index);
    c->got = 0;
    c->need = 0;
    c->state = WAITING;
    c->sent = now();
    (void)!send(c->fd, text, length, MSG_NOSIGNAL);
}

static void end(client *c) { if (c->fd >= 0) close(c->fd); c->fd = -1; c->state = CLOSED; c->due = now() + 0.05; }

int main(int argc, char **argv) {
    if (argc < 5) { fprintf(stderr, "load PORT CONNECTIONS SECONDS FILE [RETRY_MILLISECONDS]\n"); return 2; }
    port = atoi(argv[1]);
    int count = atoi(argv[2]);
    double seconds = atof(argv[3]), retry = argc > 5 ? atof(argv[5]) / 1000 : 0;
    FILE *f = fopen(argv[4], "rb");
    if (!f) { perror(argv[4]); return 2; }
    template = calloc(1, 8192);
    (void)!fread(template, 1, 8191, f);
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    epoll_fd = epoll_create1(0);
    client *clients = calloc(count, sizeof *clients);
    size_t room = 1 << 22, accepted = 0, refused = 0, other = 0, broken = 0;
    double *good = malloc(room * sizeof *good), *bad = malloc(room * sizeof *bad);
    double begin = now(), warm = begin + seconds * 0.3, stop = begin + seconds;
    for (int i = 0; i < count; i++) { clients[i].fd = -1; clients[i].due = begin + i * 0.0001; }
    struct epoll_event events[512];
    double look = 0;
    while (now() < stop) {
        int n = epoll_wait(epoll_fd, events, 512, 5);
        for (int k = 0; k < n; k++) {
            int index = events[k].data.u32;
            client *c = &clients[index];
            if (c->fd < 0) continue;
            if (c->state == CONNECTING && (events[k].events & EPOLLOUT)) {
                struct epoll_event e = {.events = EPOLLIN, .data.u32 = index};
                epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
                request(c, index);
                continue;
            }
            if (!(events[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
            char bytes[16384];
            ssize_t r = recv(c->fd, bytes, sizeof bytes, 0);
            if (r < 0 && errno == EAGAIN) continue;
            if (r <= 0) { broken += now() > warm; end(c); continue; }
            int before = c->got, room_left = (int)sizeof c->head - 1 - before;
            if (room_left > 0) memcpy(c->head + before, bytes, r < room_left ? r : room_left);
            c->got += r;
            c->head[c->got < (int)sizeof c->head - 1 ? c->got : (int)sizeof c->head - 1] = 0;
            if (!c->need) {
                char *length = strcasestr(c->head, "content-length:"), *body = memmem(bytes, r, "\r\n\r\n", 4);
                if (!body) continue;
                c->need = before + (body - bytes) + 4 + (length ? atol(length + 15) : 0);
            }
            if (c->got < c->need) continue;
            double t = now();
            int status = atoi(c->head + 9);
            if (t > warm) {
                if (status >= 200 && status < 300) { if (accepted < room) good[accepted++] = t - c->sent; }
                else if (status == 503) { if (refused < room) bad[refused++] = t - c->sent; }
                else other++;
            }
            if (strcasestr(c->head, "connection: close")) { end(c); continue; }
            if (status == 503 && retry > 0) { c->state = RESTING; c->due = t + retry; } else request(c, index);
        }
        double t = now();
        if (t - look < 0.005) continue;
        look = t;
        for (int i = 0; i < count; i++) {
            client *c = &clients[i];
            if (c->state == CLOSED && c->due <= t) start(c, i);
            else if (c->state == RESTING && c->due <= t) request(c, i);
        }
    }
    double measured = stop - warm;
    qsort(good, accepted, sizeof *good, compare);
    qsort(bad, refused, sizeof *bad, compare);
#define AT(list, n, q) ((n) ? list[(size_t)((n - 1) * q)] * 1000 : 0.0)
    printf("{\"connections\": %d, \"goodputPerSecond\": %.0f, \"p50\": %.2f, \"p99\": %.2f, \"shedPerSecond\": %.0f, "
           "\"shedP50\": %.2f, \"shedP99\": %.2f, \"otherPerSecond\": %.0f, \"brokenPerSecond\": %.0f}\n",
           count, accepted / measured, AT(good, accepted, 0.5), AT(good, accepted, 0.99), refused / measured,
           AT(bad, refused, 0.5), AT(bad, refused, 0.99), other / measured, broken / measured);
    return 0;
}
