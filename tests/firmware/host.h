/* What the examples need of their host: a clock, and the line on standard output. */
#ifndef HOST_H
#define HOST_H

#include <stdint.h>
#include <time.h>
#include <unistd.h>

static uint32_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

static void put_out(const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(STDOUT_FILENO, bytes, length);
        if (count <= 0)
            return; /* the line is away: the frame is repeated */
        bytes += count;
        length -= (size_t)count;
    }
}

#endif
