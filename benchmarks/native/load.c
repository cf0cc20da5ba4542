/* The client. Closed loop: each connection keeps `depth` requests under way; or, with `under_way`, so many requests are
 * under way in all, and each new one goes on the next connection in turn. Open loop: the requests have their times,
 * `rate` a second, whether answers come or not; one that finds every connection busy is sent as soon as one is free,
 * and its latency counts from the time that it was meant for (no coordinated omission). */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    Conn *conn;
    uint64_t *under_way; /* a ring of `depth` numbers, in the order sent */
    int first, count;
} Client;

static Load load;
static Client *clients;
static int *free_clients, free_count; /* open loop: those with room, a stack, so that few connections are busy */
static int turn_of; /* with under_way: the connection that is next */
static uint64_t begun, next; /* `next`: of the requests, from 0 */
static unsigned char *request;

static bool open_client(Client *);

static uint64_t intended(uint64_t index) { return begun + (uint64_t)((double)index * 1e9 / load.rate); }

static void send_next(Client *client, uint64_t at) {
    uint64_t number = run.first + next++;
    unsigned char *place = request, *end = request + load.template_length;
    memcpy(request, load.template, load.template_length);
    while ((place = memmem(place, (size_t)(end - place), "########", DIGITS)) != NULL) write_digits(place, number);
    client->under_way[(client->first + client->count++) % load.depth] = number;
    note(run.intended, (int64_t)number, at);
    put(client->conn, request, load.template_length);
}

void load_turn(uint64_t at) {
    while (load.rate > 0 && free_count && next < run.count && intended(next) <= at) {
        Client *client = &clients[free_clients[free_count - 1]];
        send_next(client, intended(next));
        if (client->count == load.depth) free_count--;
    }
}

uint64_t load_next(void) {
    return load.rate > 0 && free_count && next < run.count ? intended(next) : NEVER;
}

static Client *next_in_turn(void) { /* there is one with room: under_way is less than all of them have */
    Client *client;
    do client = &clients[turn_of++ % load.connections];
    while (client->count == load.depth);
    return client;
}

static void answered(Client *client, int status) {
    uint64_t number = client->under_way[client->first];
    client->first = (client->first + 1) % load.depth;
    client->count--;
    run.answers++;
    run.statuses[status > 0 && status < 600 ? status : 0]++;
    note(run.answered, (int64_t)number, now());
    if (load.rate > 0) {
        if (client->count == load.depth - 1) free_clients[free_count++] = (int)(client - clients);
    } else if (next < run.count) send_next(load.under_way ? next_in_turn() : client, now());
}

static size_t octets_came(Conn *conn, unsigned char *octets, size_t length) {
    Client *client = conn->role;
    size_t used = 0;
    while (client->count) {
        unsigned char *begin = octets + used, *end = memmem(begin, length - used, "\r\n\r\n", 4);
        if (end == NULL) break;
        size_t head = (size_t)(end - begin) + 4, body = 0;
        end[3] = 0;
        const char *said = strcasestr((const char *)begin, "\ncontent-length:");
        if (said != NULL) body = strtoul(said + 16, NULL, 10);
        end[3] = '\n';
        if (length - used < head + body) break;
        answered(client, atoi((const char *)begin + 9)); /* "HTTP/1.1 200 OK" */
        used += head + body;
    }
    return used;
}

static void gone(Conn *conn) {
    Client *client = conn->role;
    if (client == NULL) return;
    run.lost += (uint64_t)client->count;
    run.answers += (uint64_t)client->count;
    bool was_busy = client->count == load.depth;
    client->count = 0;
    if (!open_client(client)) return; /* the run ends by its patience */
    if (load.rate > 0) {
        if (was_busy) free_clients[free_count++] = (int)(client - clients);
    } else
        while (!load.under_way && client->count < load.depth && next < run.count) send_next(client, now());
}

static bool open_client(Client *client) {
    client->conn = connect_to(load.port);
    if (client->conn == NULL) return false;
    client->conn->role = client, client->conn->data = octets_came, client->conn->gone = gone;
    return true;
}

bool load_start(const Load *wished) {
    load = *wished;
    next = 0;
    free_count = 0;
    clients = calloc((size_t)load.connections, sizeof *clients);
    free_clients = calloc((size_t)load.connections, sizeof *free_clients);
    request = malloc(load.template_length);
    for (int i = 0; i < load.connections; i++) {
        clients[i].under_way = calloc((size_t)load.depth, sizeof *clients[i].under_way);
        if (!open_client(&clients[i])) return false;
        free_clients[free_count++] = i;
    }
    begun = now();
    turn_of = 0;
    if (load.rate <= 0 && load.under_way)
        for (int i = 0; i < load.under_way && next < run.count; i++) send_next(next_in_turn(), now());
    else if (load.rate <= 0)
        for (int round = 0; round < load.depth; round++)
            for (int i = 0; i < load.connections && next < run.count; i++) send_next(&clients[i], now());
    return true;
}

void load_stop(void) {
    for (int i = 0; clients != NULL && i < load.connections; i++) {
        if (clients[i].conn != NULL) {
            clients[i].conn->role = NULL;
            drop(clients[i].conn);
        }
        free(clients[i].under_way);
    }
    free(clients);
    free(free_clients);
    free(request);
    clients = NULL, free_clients = NULL, request = NULL, free_count = 0, load.rate = 0;
}
