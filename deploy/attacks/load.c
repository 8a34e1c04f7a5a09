// A closed loop of many connections: each sends its next request when the answer to the last one is there. Counts what
// was answered 2xx, what was turned away, and how long either took.
//
//   load PORT CONNECTIONS SECONDS FILE [RETRY_MILLISECONDS [PIPELINED]]
//
// FILE holds the request, byte for byte; %d in it becomes the connection's number. After a 503 a connection waits for
// RETRY_MILLISECONDS (0: it comes back at once). PIPELINED requests are sent at once, and the next ones when all are
// answered. Prints one JSON object.
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

typedef struct { int fd, state, got, due_answers, refused; double sent, due; char head[2048]; long body; } client;
enum { CLOSED, CONNECTING, WAITING, RESTING };

static int port, epoll_fd, pipelined = 1;
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
    static char text[1 << 20];
    int length = 0;
    for (int i = 0; i < pipelined; i++) length += snprintf(text + length, sizeof text - length, template, index, index);
    c->got = c->body = c->refused = 0;
    c->due_answers = pipelined;
    c->state = WAITING;
    c->sent = now();
    (void)!send(c->fd, text, length, MSG_NOSIGNAL);
}

static void end(client *c) { if (c->fd >= 0) close(c->fd); c->fd = -1; c->state = CLOSED; c->due = now() + 0.05; }

int main(int argc, char **argv) {
    if (argc < 5) { fprintf(stderr, "load PORT CONNECTIONS SECONDS FILE [RETRY_MILLISECONDS [PIPELINED]]\n"); return 2; }
    port = atoi(argv[1]);
    int count = atoi(argv[2]);
    double seconds = atof(argv[3]), retry = argc > 5 ? atof(argv[5]) / 1000 : 0;
    if (argc > 6) pipelined = atoi(argv[6]);
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
            double t = now();
            int closes = 0;
            for (char *at = bytes, *stop_at = bytes + r; at < stop_at && c->due_answers > 0;) {
                if (c->body > 0) {
                    long taken = c->body < stop_at - at ? c->body : stop_at - at;
                    c->body -= taken;
                    at += taken;
                    if (c->body > 0) break;
                } else {
                    // The head, byte by byte: it may come in two pieces.
                    if (c->got < (int)sizeof c->head - 1) c->head[c->got++] = *at;
                    at++;
                    if (c->got < 4 || memcmp(c->head + c->got - 4, "\r\n\r\n", 4)) continue;
                    c->head[c->got] = 0;
                    char *length = strcasestr(c->head, "content-length:");
                    c->body = length ? atol(length + 15) : 0;
                    int status = atoi(c->head + 9);
                    closes |= strcasestr(c->head, "connection: close") != NULL;
                    c->refused |= status == 503;
                    if (t > warm) {
                        if (status >= 200 && status < 300) { if (accepted < room) good[accepted++] = t - c->sent; }
                        else if (status == 503) { if (refused < room) bad[refused++] = t - c->sent; }
                        else other++;
                    }
                    c->got = 0;
                    if (c->body > 0) continue;
                }
                c->due_answers--;
            }
            if (closes) { end(c); continue; }
            if (c->due_answers > 0) continue;
            if (c->refused && retry > 0) { c->state = RESTING; c->due = t + retry; } else request(c, index);
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
