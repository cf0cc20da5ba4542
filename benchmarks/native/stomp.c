/* A STOMP 1.2 broker that confirms every SEND and COMMIT with a receipt, and forgets what it got. It calls itself
 * ActiveMQ, so that the producer uses transactions as with the real one. Heart-beats: none. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int connected;

static const char *header_of(const char *frame, const char *name, size_t *length) {
    const char *found = strstr(frame, name); /* a frame ends with NUL, and its body is JSON, where no line feed is */
    if (found == NULL) return NULL;
    found += strlen(name);
    *length = strcspn(found, "\r\n");
    return found;
}

static void receipt(Conn *conn, const char *frame) {
    size_t length;
    const char *id = header_of(frame, "\nreceipt:", &length);
    if (id == NULL) return;
    put(conn, "RECEIPT\nreceipt-id:", 19);
    put(conn, id, length);
    put(conn, "\n\n\0\n", 4);
}

static void sent(const char *frame, size_t length) {
    run.reports++;
    if (run.is_mo) note(run.told, number_in((const unsigned char *)frame, length), now());
    else if (strstr(frame, "DeliveryStatus:DELIVERED") != NULL) run.delivered++;
}

static size_t octets_came(Conn *conn, unsigned char *octets, size_t length) {
    size_t used = 0;
    while (used < length) {
        if (octets[used] == '\n' || octets[used] == '\r') { /* a heart-beat, or the end of a line behind a frame */
            used++;
            continue;
        }
        unsigned char *end = memchr(octets + used, 0, length - used);
        if (end == NULL) break;
        const char *frame = (const char *)octets + used;
        size_t size = (size_t)(end - (octets + used));
        if (!strncmp(frame, "SEND\n", 5)) sent(frame, size);
        else if (!strncmp(frame, "CONNECT\n", 8) || !strncmp(frame, "STOMP\n", 6)) {
            static const char answer[] =
                "CONNECTED\nversion:1.2\nserver:ActiveMQ/5.17.2\nsession:peer\nheart-beat:0,0\n\n\0\n";
            put(conn, answer, sizeof answer - 1);
            conn->role = conn;
            connected++;
        }
        receipt(conn, frame);
        used += size + 1;
    }
    return used;
}

static void gone(Conn *conn) { connected -= conn->role != NULL; }

static void accepted(Conn *conn) { conn->data = octets_came, conn->gone = gone; }

int stomp_start(void) {
    int port = 0;
    return listen_on(&port, accepted);
}

int stomp_sessions(void) { return connected; }
