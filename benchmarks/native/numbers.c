/* The numbers of messages, and latencies in JSON. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t number_in(const unsigned char *octets, size_t length) {
    const unsigned char *end = octets + length;
    const unsigned char *found = octets;
    while ((found = memmem(found, (size_t)(end - found), PREFIX, PREFIX_LENGTH)) != NULL) {
        const unsigned char *digit = found + PREFIX_LENGTH;
        int64_t number = 0;
        int seen = 0;
        for (; seen < DIGITS && digit < end && *digit >= '0' && *digit <= '9'; seen++, digit++)
            number = number * 10 + (*digit - '0');
        if (seen == DIGITS) return number;
        found++;
    }
    return -1;
}

void write_digits(unsigned char *place, uint64_t number) {
    for (int i = DIGITS - 1; i >= 0; i--, number /= 10) place[i] = (unsigned char)('0' + number % 10);
}

void note(uint64_t *times, int64_t number, uint64_t at) {
    if (times != NULL && number >= (int64_t)run.first && (uint64_t)number < run.first + run.count)
        times[(uint64_t)number - run.first] = at;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void print_latency(const char *name, const uint64_t *from, const uint64_t *to, size_t count) {
    double *found = malloc((count ? count : 1) * sizeof *found);
    size_t known = 0;
    for (size_t i = 0; i < count; i++)
        if (from[i] && to[i]) found[known++] = to[i] > from[i] ? (double)(to[i] - from[i]) / 1e6 : 0.0;
    if (known) {
        qsort(found, known, sizeof *found, by_size);
        printf(", \"%s\": {\"count\": %zu, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, known,
               found[known / 2], found[known * 9 / 10], found[known * 99 / 100], found[known - 1]);
    }
    free(found);
}

void print_most(const uint64_t *times, size_t count, uint64_t begun) {
    double *found = malloc((count ? count : 1) * sizeof *found);
    size_t known = 0;
    for (size_t i = 0; i < count; i++)
        if (times[i]) found[known++] = (double)(times[i] - begun) / 1e9;
    qsort(found, known, sizeof *found, by_size);
    if (known && known >= count * 9 / 10) printf(", \"most_seconds\": %.4f", found[known < count * 9 / 10 + 1 ? known - 1 : count * 9 / 10]);
    free(found);
}
