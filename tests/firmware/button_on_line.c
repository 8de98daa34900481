/* The worked example on a real line: standard input and output are the line's other end. Plays a
 * receiver with one button behind it, which is pressed once; says on standard error what its light
 * shows. Arguments: the button's address, its boot count, the kind. Ends when the call is closed. */
#define _POSIX_C_SOURCE 200809L

#include "button.h"
#include "host.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RECEIVER 0x52000001u
#define ALIVE_EVERY 10000u

static void take_in(struct button *button, struct anling_line *line)
{
    uint8_t bytes[64];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0) {
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL); /* nobody has the line open */
        return;
    }
    for (ssize_t i = 0; i < count; i++) {
        struct anling_frame frame;
        size_t piece = anling_line_take(line, bytes[i]);
        if (piece > 0 && anling_read(line->bytes, piece, &frame) == ANLING_OK &&
            button_heard(button, &frame))
            fprintf(stderr, "light %u\n", button->stage);
    }
}

int main(int count, char **words)
{
    struct button button;
    struct anling_line line;
    struct anling_frame alive;
    uint32_t next_alive = now_ms();

    if (count != 4)
        return 2;
    memset(&line, 0, sizeof line);
    memset(&alive, 0, sizeof alive);
    alive.type = ANLING_ALIVE;
    alive.address = RECEIVER;
    button_begin(&button, (uint32_t)strtoul(words[1], NULL, 16),
                 (uint32_t)strtoul(words[2], NULL, 10));
    button.battery = 84;
    button.signal = -71;
    button_event(&button, (uint8_t)atoi(words[3]), 0, now_ms());
    while (button.stage != ANLING_CLOSED) {
        uint8_t wire[ANLING_WIRE_MAX];
        size_t length;
        uint32_t now = now_ms();
        uint32_t sleep;
        struct pollfd wait = {STDIN_FILENO, POLLIN, 0};
        if ((int32_t)(now - next_alive) >= 0) {
            alive.seq++;
            put_out(wire, anling_write(&alive, wire));
            next_alive = now + ALIVE_EVERY;
        }
        while ((length = button_due(&button, now, wire)) > 0)
            put_out(wire, length);
        sleep = button_sleep(&button, now);
        if (sleep > next_alive - now)
            sleep = next_alive - now;
        if (poll(&wait, 1, (int)sleep) > 0)
            take_in(&button, &line);
    }
    return 0;
}
