/* An HTTP server that answers 200 to everything, with the header that the load of /send looks for. A path with /dlr is
 * a report, one with /mo a text; both tell the message's number. */
#include "peer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t octets_came(Conn *conn, unsigned char *octets, size_t length) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                 "X-Message-SID: SM0192f0c1a2b37c3d8e4f5a6b7c8d9e0f\r\nContent-Length: 0\r\n\r\n";
    size_t used = 0;
    for (;;) {
        unsigned char *begin = octets + used, *end = memmem(begin, length - used, "\r\n\r\n", 4);
        if (end == NULL) return used;
        size_t head = (size_t)(end - begin) + 4, body = 0;
        end[3] = 0; /* so that strcasestr ends here */
        const char *said = strcasestr((const char *)begin, "\ncontent-length:");
        if (said != NULL) body = strtoul(said + 16, NULL, 10);
        end[3] = '\n';
        if (length - used < head + body) return used;
        bool is_report = memmem(begin, head, " /dlr", 5) != NULL;
        if (is_report || memmem(begin, head, " /mo", 4) != NULL) {
            run.reports++;
            run.delivered += is_report;
            note(run.told, number_in(begin, head), now());
        }
        put(conn, answer, sizeof answer - 1);
        used += head + body;
    }
}

static void accepted(Conn *conn) { conn->data = octets_came; }

int hook_start(void) {
    int port = 0;
    return listen_on(&port, accepted);
}
