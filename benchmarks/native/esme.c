/* An SMPP client that keeps `window` submit_sm under way and answers every deliver_sm: for measuring smsc.c alone. */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

static Conn *connection;
static uint64_t next, end;
static uint32_t sequence;

static void send_pdu(Conn *conn, uint32_t command, uint32_t number, const void *body, size_t length) {
    unsigned char header[16];
    put4(header, (uint32_t)(16 + length));
    put4(header + 4, command);
    put4(header + 8, 0);
    put4(header + 12, number);
    put(conn, header, 16);
    put(conn, body, length);
}

static void submit(Conn *conn) {
    static const char before[] = "\0\0\0\0\1\1" PREFIX "00000000\0\0\0\0\0\0\1\0\0\0\32Text of a benchmark, short";
    unsigned char body[sizeof before - 1];
    memcpy(body, before, sizeof body);
    write_digits(body + 6 + PREFIX_LENGTH, next);
    note(run.intended, (int64_t)next++, now());
    send_pdu(conn, 4, ++sequence, body, sizeof body);
}

static size_t octets_came(Conn *conn, unsigned char *octets, size_t length) {
    size_t used = 0;
    while (length - used >= 16) {
        unsigned char *pdu = octets + used;
        uint32_t size = get4(pdu), command = get4(pdu + 4);
        if (length - used < size) break;
        used += size;
        if (command == 0x80000004u) {
            run.answers++;
            if (next < end) submit(conn);
        } else if (command == 5) {
            run.reports++;
            send_pdu(conn, 0x80000005u, get4(pdu + 12), "", 1);
        }
    }
    return used;
}

void esme_start(int port, uint64_t first, uint64_t count, int window) {
    connection = connect_to(port);
    connection->data = octets_came;
    next = first, end = first + count, sequence = 1;
    send_pdu(connection, 9, 1, "b\0b\0\0\64\0\0", 9); /* bind_transceiver */
    for (int i = 0; i < window && next < end; i++) submit(connection);
}

void esme_stop(void) {
    if (connection != NULL) drop(connection);
    connection = NULL;
}
