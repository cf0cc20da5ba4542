/* Connections on loopback with buffers, and the loop. All that a turn has to write to a connection goes out in one
 * write at the turn's end. */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define READ_AT_ONCE (256 * 1024)
#define EVENTS_AT_ONCE 256

typedef struct { /* what epoll gives back for a port or for stdin: its first member tells it from a Conn */
    int fd;
    void (*accepted)(Conn *);
    void (*readable)(void);
} Source;

static int poller = -1, timer = -1;
static uint64_t timer_at = NEVER;
static Conn *dirty, *closed;
static Source sources[16];
static int source_count;

uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void observe(int fd, void *what, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (poller < 0 && (poller = epoll_create1(EPOLL_CLOEXEC)) < 0) fail("epoll_create1");
    if (epoll_ctl(poller, operation, fd, &event)) fail("epoll_ctl");
}

static Source *new_source(int fd) {
    Source *source = &sources[source_count++];
    source->fd = fd;
    observe(fd, source, EPOLLIN, EPOLL_CTL_ADD);
    return source;
}

void watch(int fd, void (*readable)(void)) { new_source(fd)->readable = readable; }

int listen_on(int *port, void (*accepted)(Conn *)) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) fail("listen");
    getsockname(fd, (struct sockaddr *)&address, &length);
    *port = ntohs(address.sin_port);
    new_source(fd)->accepted = accepted;
    return *port;
}

static Conn *new_conn(int fd) {
    Conn *conn = calloc(1, sizeof *conn);
    int one = 1;
    conn->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    observe(fd, conn, EPOLLIN | EPOLLRDHUP, EPOLL_CTL_ADD);
    return conn;
}

Conn *connect_to(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return NULL;
    }
    return new_conn(fd); /* it blocks, but is only read and written with MSG_DONTWAIT */
}

static void grow(unsigned char **buffer, size_t *room, size_t needed) {
    if (needed <= *room) return;
    while (*room < needed) *room = *room ? *room * 2 : 4096;
    *buffer = realloc(*buffer, *room);
    if (*buffer == NULL) fail("realloc");
}

void put(Conn *conn, const void *octets, size_t length) {
    if (conn->fd < 0) return;
    grow(&conn->out, &conn->out_room, conn->out_length + length);
    memcpy(conn->out + conn->out_length, octets, length);
    conn->out_length += length;
    if (!conn->is_dirty) {
        conn->is_dirty = true;
        conn->next_dirty = dirty;
        dirty = conn;
    }
}

void drop(Conn *conn) {
    if (conn->fd < 0) return;
    close(conn->fd);
    conn->fd = -1;
    conn->next_closed = closed;
    closed = conn;
    if (conn->gone) conn->gone(conn);
}

static void flush(Conn *conn) {
    if (conn->fd < 0) return;
    while (conn->out_begin < conn->out_length) {
        ssize_t sent = send(conn->fd, conn->out + conn->out_begin, conn->out_length - conn->out_begin,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            if (!conn->waits_for_room) observe(conn->fd, conn, EPOLLIN | EPOLLRDHUP | EPOLLOUT, EPOLL_CTL_MOD);
            conn->waits_for_room = true;
            return;
        }
        if (sent < 0) {
            drop(conn);
            return;
        }
        conn->out_begin += (size_t)sent;
    }
    conn->out_begin = conn->out_length = 0;
    if (conn->waits_for_room) observe(conn->fd, conn, EPOLLIN | EPOLLRDHUP, EPOLL_CTL_MOD);
    conn->waits_for_room = false;
}

static void receive(Conn *conn) {
    grow(&conn->in, &conn->in_room, conn->in_length + READ_AT_ONCE);
    ssize_t got = recv(conn->fd, conn->in + conn->in_length, conn->in_room - conn->in_length, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        drop(conn);
        return;
    }
    conn->in_length += (size_t)got;
    size_t used = conn->data(conn, conn->in, conn->in_length);
    if (conn->fd < 0) return;
    memmove(conn->in, conn->in + used, conn->in_length - used);
    conn->in_length -= used;
}

static void accept_all(Source *source) {
    for (;;) {
        int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) return;
        source->accepted(new_conn(fd));
    }
}

static void set_timer(uint64_t until) {
    if (timer < 0) {
        timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        observe(timer, NULL, EPOLLIN, EPOLL_CTL_ADD);
    }
    if (until == timer_at) return;
    struct itimerspec when = {0};
    if (until != NEVER) {
        when.it_value.tv_sec = (time_t)(until / SECOND);
        when.it_value.tv_nsec = (long)(until % SECOND);
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
    timer_at = until;
}

void turn(uint64_t until) {
    struct epoll_event events[EVENTS_AT_ONCE];
    while (dirty) {
        Conn *conn = dirty;
        dirty = conn->next_dirty;
        conn->is_dirty = false;
        flush(conn);
    }
    while (closed) {
        Conn *conn = closed;
        closed = conn->next_closed;
        free(conn->in);
        free(conn->out);
        free(conn);
    }
    bool at_once = until <= now();
    if (!at_once) set_timer(until);
    int count = epoll_wait(poller, events, EVENTS_AT_ONCE, at_once ? 0 : -1);
    for (int i = 0; i < count; i++) {
        void *what = events[i].data.ptr;
        if (what == NULL) { /* the timer */
            uint64_t times;
            if (read(timer, &times, sizeof times) > 0) timer_at = NEVER;
        } else if (what >= (void *)sources && what < (void *)(sources + 16)) {
            Source *source = what;
            if (source->accepted) accept_all(source);
            else source->readable();
        } else {
            Conn *conn = what;
            if (conn->fd >= 0 && events[i].events & EPOLLOUT) flush(conn);
            if (conn->fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT) receive(conn);
        }
    }
}
