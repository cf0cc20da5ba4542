/* What the parts of `peer` share. One process, one thread, one epoll loop, one clock (CLOCK_MONOTONIC, nanoseconds):
 *
 *   loop.c   connections, their buffers, the loop
 *   numbers.c   the numbers of messages, latencies
 *   load.c   the client: HTTP requests, closed or open loop
 *   smsc.c   an SMPP 3.4 server: responses, receipts, texts from handsets
 *   stomp.c  a STOMP 1.2 broker that confirms and forgets
 *   hook.c   an HTTP server that answers 200 (for gateways that tell by HTTP)
 *   esme.c   an SMPP client, to measure smsc.c alone
 *   peer.c   commands on stdin, one JSON line each on stdout
 */
#ifndef PEER_H
#define PEER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4, memmem */
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECOND 1000000000ull
#define NEVER UINT64_MAX
#define PREFIX "9230" /* of every number; eight digits follow, which number the messages */
#define PREFIX_LENGTH 4
#define DIGITS 8

typedef struct Conn Conn;
struct Conn {
    int fd; /* -1: closed, to be freed at the end of the turn */
    size_t (*data)(Conn *, unsigned char *octets, size_t length); /* returns how many octets it has used up */
    void (*gone)(Conn *);
    void *role; /* of whoever made it */
    unsigned char *in, *out;
    size_t in_length, in_room, out_begin, out_length, out_room;
    bool waits_for_room, is_dirty;
    Conn *next_dirty, *next_closed;
};

/* loop.c */
uint64_t now(void);
int listen_on(int *port, void (*accepted)(Conn *)); /* port 0: any; filled in */
Conn *connect_to(int port); /* on loopback; NULL if nobody listens */
void put(Conn *, const void *octets, size_t length); /* written at the end of the turn */
void drop(Conn *);
void watch(int fd, void (*readable)(void));
void turn(uint64_t until); /* one turn: waits for octets, or until then */

/* numbers.c */
int64_t number_in(const unsigned char *octets, size_t length); /* the message's number behind PREFIX; -1: none */
void write_digits(unsigned char *place, uint64_t number);
void print_latency(const char *name, const uint64_t *from, const uint64_t *to, size_t count); /* JSON, in ms */
void print_most(const uint64_t *times, size_t count, uint64_t begun); /* JSON, in s: when nine of ten were there */

/* What the run under way counts. Messages have the numbers from `first` on. */
typedef struct {
    bool is_active, is_mo;
    uint64_t first, count;
    uint64_t *intended, *answered, *submitted, *told; /* by message: when; 0: not yet. submitted: its last segment */
    uint64_t answers, lost, submits, throttled, receipts, acknowledged, refused, reports, delivered, wrong;
    uint64_t statuses[600];
} Run;
extern Run run;
void note(uint64_t *times, int64_t number, uint64_t at); /* the time of the message, if it is one of this run */

/* smsc.c */
typedef struct {
    uint64_t receipt_delay; /* ns */
    double throttled;       /* share of the submits that get ESME_RTHROTTLED */
    int deliver_window;     /* deliver_sm under way, per session */
} Smsc;
extern Smsc smsc;
int smsc_start(void); /* the port */
int smsc_sessions(void);
void smsc_turn(uint64_t at);
uint64_t smsc_next(void); /* when smsc_turn has something to do */
void smsc_texts(uint64_t first, uint64_t count, int window);
uint16_t get2(const unsigned char *);
uint32_t get4(const unsigned char *);
void put4(unsigned char *, uint32_t);

/* stomp.c, hook.c */
int stomp_start(void);
int stomp_sessions(void);
int hook_start(void);

/* load.c */
typedef struct {
    int port, connections, depth; /* depth: requests under way on each connection, at most */
    int under_way;                /* closed loop: requests under way in all; 0: as many as there is room for */
    double rate;                  /* requests a second; 0: closed loop */
    const char *template;         /* the whole request; ######## becomes the message's number */
    size_t template_length;
} Load;
bool load_start(const Load *);
void load_turn(uint64_t at);
uint64_t load_next(void);
void load_stop(void);

/* esme.c */
void esme_start(int port, uint64_t first, uint64_t count, int window);
void esme_stop(void);

#endif
