/* An SMPP 3.4 server. It answers every bind, takes every submit_sm, and gives a receipt to the session that it came on
 * where registered_delivery asks for one. Message ids are decimal and rise. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { /* SMPP 3.4 section 5.1.2.1 */
    BIND_RECEIVER = 1, BIND_TRANSMITTER = 2, SUBMIT_SM = 4, DELIVER_SM = 5, UNBIND = 6, BIND_TRANSCEIVER = 9,
    ENQUIRE_LINK = 0x15,
};
#define RESPONSE 0x80000000u
#define ESME_RTHROTTLED 0x58u
#define HEADER 16
#define LONGEST_ADDRESS 21

typedef struct Session {
    Conn *conn;
    uint32_t sequence;
    int under_way; /* deliver_sm without response */
    bool is_bound, receives;
    struct Session *next;
} Session;

typedef struct {
    uint64_t due, id;
    Session *session;
    char from[LONGEST_ADDRESS], to[LONGEST_ADDRESS];
} Receipt;

Smsc smsc = {.deliver_window = 100};
static Session *sessions, *next_receiver;
static Receipt *receipts; /* a ring */
static size_t receipt_first, receipt_count, receipt_room;
static uint64_t last_id = 1000000000, chance = 88172645463325252ull;
static struct { uint64_t next, end; int window, under_way; } texts;

uint16_t get2(const unsigned char *o) { return (uint16_t)(o[0] << 8 | o[1]); }
uint32_t get4(const unsigned char *o) { return (uint32_t)get2(o) << 16 | get2(o + 2); }
void put4(unsigned char *o, uint32_t value) {
    for (int i = 3; i >= 0; i--, value >>= 8) o[i] = (unsigned char)value;
}

static void reply(Conn *conn, const unsigned char *pdu, uint32_t status, const char *body, size_t length) {
    unsigned char header[HEADER];
    put4(header, (uint32_t)(HEADER + length));
    put4(header + 4, get4(pdu + 4) | RESPONSE);
    put4(header + 8, status);
    memcpy(header + 12, pdu + 12, 4);
    put(conn, header, HEADER);
    put(conn, body, length);
}

/* Steps over a C octet string; NULL if it does not end in time. */
static const unsigned char *behind(const unsigned char *o, const unsigned char *end) {
    const unsigned char *nul = o == NULL || o >= end ? NULL : memchr(o, 0, (size_t)(end - o));
    return nul == NULL ? NULL : nul + 1;
}

static void copy_address(char *place, const unsigned char *from) {
    strncpy(place, (const char *)from, LONGEST_ADDRESS - 1);
    place[LONGEST_ADDRESS - 1] = 0;
}

static Receipt *new_receipt(void) {
    if (receipt_count == receipt_room) {
        size_t room = receipt_room ? receipt_room * 2 : 4096;
        Receipt *wider = malloc(room * sizeof *wider);
        for (size_t i = 0; i < receipt_count; i++) wider[i] = receipts[(receipt_first + i) % receipt_room];
        free(receipts);
        receipts = wider, receipt_room = room, receipt_first = 0;
    }
    return &receipts[(receipt_first + receipt_count++) % receipt_room];
}

static bool is_throttled(void) { /* xorshift64: the same run has the same chances */
    chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
    return (double)(chance >> 11) / (double)(1ull << 53) < smsc.throttled;
}

static void submit(Session *session, const unsigned char *pdu, const unsigned char *end) {
    const unsigned char *source = behind(pdu + HEADER, end); /* past service_type: TON and NPI of the source */
    const unsigned char *destination = source == NULL ? NULL : behind(source + 2, end);
    const unsigned char *rest = destination == NULL ? NULL : behind(destination + 2, end);
    /* esm_class, protocol_id, priority_flag; schedule_delivery_time; validity_period; registered_delivery */
    const unsigned char *wished = rest == NULL ? NULL : behind(behind(rest + 3, end), end);
    if (wished == NULL || wished >= end) {
        reply(session->conn, pdu, 2, "", 0); /* ESME_RINVCMDLEN */
        run.wrong++;
        return;
    }
    if (smsc.throttled > 0 && is_throttled()) {
        run.throttled++;
        reply(session->conn, pdu, ESME_RTHROTTLED, "", 0);
        return;
    }
    uint64_t at = now(), id = ++last_id;
    char text[24];
    int length = snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    reply(session->conn, pdu, 0, text, (size_t)length + 1);
    run.submits++;
    note(run.submitted, number_in(destination + 2, strlen((const char *)destination + 2)), at);
    if ((*wished & 3) == 1) {
        Receipt *receipt = new_receipt();
        receipt->due = at + smsc.receipt_delay, receipt->id = id, receipt->session = session;
        copy_address(receipt->from, destination + 2);
        copy_address(receipt->to, source + 2);
    }
}

static void deliver(Session *session, const char *from, const char *to, int esm_class, const char *text,
                    const unsigned char *tlvs, size_t tlvs_length) {
    unsigned char body[512], header[HEADER];
    size_t length = strlen(text);
    int used = snprintf((char *)body, sizeof body, "%c%c%c%s%c%c%c%s", 0, 1, 1, from, 0, 1, 1, to) + 1;
    body[used++] = (unsigned char)esm_class;
    memset(body + used, 0, 8); /* protocol_id to sm_default_msg_id (4.6.1) */
    used += 8;
    body[used++] = (unsigned char)length;
    memcpy(body + used, text, length);
    memcpy(body + used + length, tlvs, tlvs_length);
    length += (size_t)used + tlvs_length;
    put4(header, (uint32_t)(HEADER + length));
    put4(header + 4, DELIVER_SM);
    put4(header + 8, 0);
    put4(header + 12, session->sequence++);
    put(session->conn, header, HEADER);
    put(session->conn, body, length);
    session->under_way++;
}

static void send_receipt(const Receipt *receipt) {
    static time_t last;
    static char minute[16];
    time_t today = time(NULL);
    if (today != last) {
        struct tm broken;
        strftime(minute, sizeof minute, "%y%m%d%H%M", gmtime_r(&today, &broken));
        last = today;
    }
    char text[160], id[24];
    unsigned char tlvs[64] = {0x04, 0x27, 0, 1, 2, 0x00, 0x1e, 0}; /* message_state DELIVERED, receipted_message_id */
    int length = snprintf(id, sizeof id, "%llu", (unsigned long long)receipt->id);
    snprintf(text, sizeof text, "id:%s sub:001 dlvrd:001 submit date:%s done date:%s stat:DELIVRD err:000 text:", id,
             minute, minute);
    tlvs[8] = (unsigned char)(length + 1);
    memcpy(tlvs + 9, id, (size_t)length + 1);
    deliver(receipt->session, receipt->from, receipt->to, 4, text, tlvs, 9 + (size_t)length + 1);
    run.receipts++;
}

static Session *a_receiver(void) { /* the next in turn with room */
    Session *begun = next_receiver ? next_receiver : sessions, *one = begun;
    while (one != NULL) {
        next_receiver = one->next ? one->next : sessions;
        if (one->receives && one->under_way < texts.window) return one;
        one = next_receiver;
        if (one == begun) return NULL;
    }
    return NULL;
}

void smsc_turn(uint64_t at) {
    while (receipt_count) {
        Receipt *oldest = &receipts[receipt_first];
        if (oldest->session != NULL) {
            if (oldest->due > at || oldest->session->under_way >= smsc.deliver_window) break;
            send_receipt(oldest);
        }
        receipt_first = (receipt_first + 1) % receipt_room, receipt_count--;
    }
    while (texts.next < texts.end) {
        Session *session = a_receiver();
        if (session == NULL) break;
        char from[] = PREFIX "00000000", text[] = "Text number 00000000 of a handset";
        write_digits((unsigned char *)from + PREFIX_LENGTH, texts.next);
        write_digits((unsigned char *)text + 12, texts.next);
        note(run.intended, (int64_t)texts.next++, now());
        deliver(session, from, "12345", 0, text, NULL, 0);
    }
}

uint64_t smsc_next(void) {
    if (!receipt_count) return NEVER;
    const Receipt *oldest = &receipts[receipt_first];
    return oldest->session == NULL || oldest->session->under_way < smsc.deliver_window ? oldest->due : NEVER;
}

void smsc_texts(uint64_t first, uint64_t count, int window) {
    texts.next = first, texts.end = first + count, texts.window = window;
}

static void bind_of(Session *session, const unsigned char *pdu, uint32_t command) {
    session->is_bound = true;
    session->receives = command != BIND_TRANSMITTER;
    reply(session->conn, pdu, 0, "peer", 5);
}

static size_t octets_came(Conn *conn, unsigned char *octets, size_t length) {
    Session *session = conn->role;
    size_t used = 0;
    while (length - used >= HEADER) {
        unsigned char *pdu = octets + used;
        uint32_t size = get4(pdu), command = get4(pdu + 4);
        if (size < HEADER || size > 65536) {
            drop(conn);
            return 0;
        }
        if (length - used < size) break;
        used += size;
        if (command == SUBMIT_SM) submit(session, pdu, pdu + size);
        else if (command == (DELIVER_SM | RESPONSE)) {
            session->under_way--;
            run.acknowledged++;
            if (get4(pdu + 8)) run.refused++;
        } else if (command == ENQUIRE_LINK) reply(conn, pdu, 0, "", 0);
        else if (command == BIND_RECEIVER || command == BIND_TRANSMITTER || command == BIND_TRANSCEIVER)
            bind_of(session, pdu, command);
        else if (command == UNBIND) reply(conn, pdu, 0, "", 0);
        else if (!(command & RESPONSE)) run.wrong++;
    }
    return used;
}

static void session_gone(Conn *conn) {
    Session *session = conn->role;
    for (Session **place = &sessions; *place; place = &(*place)->next)
        if (*place == session) {
            *place = session->next;
            break;
        }
    for (size_t i = 0; i < receipt_count; i++) {
        Receipt *receipt = &receipts[(receipt_first + i) % receipt_room];
        if (receipt->session == session) receipt->session = NULL;
    }
    if (next_receiver == session) next_receiver = NULL;
    free(session);
}

static void accepted(Conn *conn) {
    Session *session = calloc(1, sizeof *session);
    session->conn = conn, session->sequence = 1, session->next = sessions;
    sessions = session;
    conn->role = session, conn->data = octets_came, conn->gone = session_gone;
}

int smsc_start(void) {
    int port = 0;
    return listen_on(&port, accepted);
}

int smsc_sessions(void) {
    int count = 0;
    for (Session *one = sessions; one; one = one->next) count += one->is_bound;
    return count;
}
