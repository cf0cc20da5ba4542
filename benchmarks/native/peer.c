/* All that surrounds a gateway in a benchmark: the client, the SMSC, the broker, an HTTP server. It listens on free
 * loopback ports and says which, then takes commands, one a line, and answers each with one JSON line:
 *
 *   status                                    {"binds": sessions bound, "brokers": STOMP sessions}
 *   smsc receipt_delay=S throttled=SHARE deliver_window=N
 *   load port=P template=FILE first=N count=N connections=N depth=N rate=R submits=N receipts=N reports=N patience=S
 *       enough=SHARE under_way=N
 *   texts first=N count=N window=N reports=N patience=S            from handsets
 *   esme first=N count=N window=N                    the SMSC alone, against esme.c
 *   quit
 *
 * `submits`, `receipts` and `reports` are how many of them each message has: the run ends when all are there, or when nothing has
 * moved for `patience` seconds. With `enough` below 1 it ends when that share of the submits is there, and waits for no
 * reports. `most_seconds` is when nine of ten messages were submitted. The defaults stand in `begin` and `command`. */
#include "peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

Run run;
static char line[4096];
static size_t line_length;
static bool ends;
static struct { int smsc, stomp, hook; } ports;
static struct {
    uint64_t begun, last_moved, last_sum, patience, answers, submits, receipts, reports;
    double processor;
} goal;
static char *template;

static double processor(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double option(const char *name, double otherwise) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, " %s=", name);
    const char *found = strstr(line, wanted);
    return found ? strtod(found + strlen(wanted), NULL) : otherwise;
}

static bool read_template(Load *load) {
    const char *found = strstr(line, " template=");
    if (found == NULL) return false;
    char name[1024];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(found + 10, " \n"), found + 10);
    int fd = open(name, O_RDONLY);
    if (fd < 0) return false;
    template = malloc(1 << 20);
    ssize_t length = read(fd, template, 1 << 20);
    close(fd);
    load->template = template, load->template_length = length > 0 ? (size_t)length : 0;
    return length > 0;
}

static void begin(uint64_t submits, uint64_t reports, uint64_t answers) {
    memset(&run, 0, sizeof run);
    run.first = (uint64_t)option("first", 0), run.count = (uint64_t)option("count", 1000);
    uint64_t **all[] = {&run.intended, &run.answered, &run.submitted, &run.told};
    for (int i = 0; i < 4; i++) *all[i] = calloc(run.count + 1, sizeof **all[i]);
    run.is_active = true;
    double enough = option("enough", 1);
    goal.submits = (uint64_t)((double)(submits * run.count) * enough), goal.answers = answers * run.count;
    goal.receipts = (uint64_t)option("receipts", 0) * run.count;
    goal.reports = enough < 1 ? 0 : reports * run.count;
    goal.patience = (uint64_t)(option("patience", 20) * 1e9);
    goal.begun = goal.last_moved = now(), goal.last_sum = 0;
    goal.processor = processor();
}

static bool is_done(void) {
    return run.answers >= goal.answers && run.submits >= goal.submits && run.receipts >= goal.receipts &&
           run.reports >= goal.reports && run.acknowledged >= (run.is_mo ? run.count : run.receipts);
}

static void end(const char *error) {
    double seconds = (double)(goal.last_moved - goal.begun) / 1e9;
    printf("{\"finished\": %s, \"messages\": %llu, \"seconds\": %.4f", is_done() && !error ? "true" : "false",
           (unsigned long long)run.count, seconds);
    if (error) printf(", \"error\": \"%s\"", error);
    printf(", \"statuses\": {");
    const char *comma = "";
    for (int i = 0; i < 600; i++)
        if (run.statuses[i]) printf("%s\"%d\": %llu", comma, i, (unsigned long long)run.statuses[i]), comma = ", ";
    printf("}, \"lost\": %llu, \"submits\": %llu, \"throttled\": %llu, \"receipts\": %llu, \"acknowledged\": %llu, "
           "\"refused\": %llu, \"reports\": %llu, \"delivered\": %llu, \"wrong\": %llu",
           (unsigned long long)run.lost, (unsigned long long)run.submits, (unsigned long long)run.throttled,
           (unsigned long long)run.receipts, (unsigned long long)run.acknowledged, (unsigned long long)run.refused,
           (unsigned long long)run.reports, (unsigned long long)run.delivered, (unsigned long long)run.wrong);
    print_most(run.submitted, run.count, goal.begun);
    print_latency("answer_ms", run.intended, run.answered, run.count);
    print_latency("submit_ms", run.intended, run.submitted, run.count);
    print_latency("told_ms", run.intended, run.told, run.count);
    printf(", \"peer_us\": %.2f}\n", (processor() - goal.processor) / (double)(run.count ? run.count : 1) * 1e6);
    fflush(stdout);
    load_stop();
    esme_stop();
    smsc_texts(0, 0, 0);
    uint64_t *all[] = {run.intended, run.answered, run.submitted, run.told};
    for (int i = 0; i < 4; i++) free(all[i]);
    free(template);
    template = NULL;
    memset(&run, 0, sizeof run);
}

static void command(void) {
    if (!strncmp(line, "load ", 5)) {
        Load load = {.port = (int)option("port", 0), .connections = (int)option("connections", 32),
                     .depth = (int)option("depth", 1), .rate = option("rate", 0),
                     .under_way = (int)option("under_way", 0)};
        if (load.under_way >= load.connections * load.depth) load.under_way = 0;
        begin((uint64_t)option("submits", 1), (uint64_t)option("reports", 1), 1);
        if (!read_template(&load)) end("the template can't be read");
        else if (!load_start(&load)) end("nobody listens on the port");
    } else if (!strncmp(line, "texts ", 6)) {
        begin(0, (uint64_t)option("reports", 1), 0);
        run.is_mo = true;
        smsc_texts(run.first, run.count, (int)option("window", 100));
    } else if (!strncmp(line, "esme ", 5)) {
        begin(1, 1, 1);
        esme_start(ports.smsc, run.first, run.count, (int)option("window", 50));
    } else if (!strncmp(line, "smsc ", 5)) {
        smsc.receipt_delay = (uint64_t)(option("receipt_delay", 0.2) * 1e9);
        smsc.throttled = option("throttled", 0);
        smsc.deliver_window = (int)option("deliver_window", 100);
        printf("{}\n");
    } else if (!strncmp(line, "status", 6)) {
        printf("{\"binds\": %d, \"brokers\": %d}\n", smsc_sessions(), stomp_sessions());
    } else if (!strncmp(line, "quit", 4)) {
        ends = true;
    } else {
        printf("{\"error\": \"no such command\"}\n");
    }
    fflush(stdout);
}

static void stdin_readable(void) {
    ssize_t got = read(0, line + line_length, sizeof line - 1 - line_length);
    if (got <= 0) {
        ends = true; /* whoever started us is gone */
        return;
    }
    line_length += (size_t)got;
    line[line_length] = 0;
    if (line_length == sizeof line - 1) ends = true;
    if (line[line_length - 1] != '\n') return;
    command();
    line_length = 0;
}

static void look(uint64_t at) {
    uint64_t sum = run.answers + run.submits + run.reports + run.acknowledged;
    if (sum != goal.last_sum) goal.last_sum = sum, goal.last_moved = at;
    if (is_done() || at - goal.last_moved > goal.patience) end(NULL);
}

int main(void) {
    ports.smsc = smsc_start(), ports.stomp = stomp_start(), ports.hook = hook_start();
    watch(0, stdin_readable);
    printf("{\"smsc\": %d, \"stomp\": %d, \"hook\": %d}\n", ports.smsc, ports.stomp, ports.hook);
    fflush(stdout);
    while (!ends) {
        uint64_t at = now(), next = run.is_active ? at + SECOND : NEVER;
        if (smsc_next() < next) next = smsc_next();
        if (load_next() < next) next = load_next();
        turn(next);
        at = now();
        smsc_turn(at);
        load_turn(at);
        if (run.is_active) look(at);
    }
    return 0;
}
