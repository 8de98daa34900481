/* The worked example as `anling conform` examines it: standard input and output are the line's other
 * end, SIGUSR1 presses the key, SIGUSR2 takes the battery out, puts it back and presses. Arguments: the
 * address and the boot count. Built with one of BROKEN_REPEAT, BROKEN_ANY, BROKEN_BOOT, BROKEN_NUMBER or
 * BROKEN_BATTERY it breaks that clause of the contract. */
#define _POSIX_C_SOURCE 200809L

#include "button.h"
#include "host.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RECEIVER 0x52000001u
#define ALIVE_EVERY 10000u

static volatile sig_atomic_t presses, restarts;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        presses++;
    else
        restarts++;
}

#if defined(BROKEN_ANY) || defined(BROKEN_REPEAT)
static void forget_waiting(struct button *button)
{
    for (size_t i = 0; i < BUTTON_WAITING; i++)
        button->waiting[i].length = 0;
}
#endif

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
        if (piece > 0 && anling_read(line->bytes, piece, &frame) == ANLING_OK) {
            button_heard(button, &frame);
#ifdef BROKEN_ANY
            if (frame.type == ANLING_COMMAND)
                forget_waiting(button);
#endif
        }
    }
}

static void begin(struct button *button, uint32_t address, uint32_t boot)
{
    button_begin(button, address, boot);
#ifndef BROKEN_BATTERY
    button->battery = 84;
#endif
    button->signal = -71;
}

static void press(struct button *button)
{
#ifdef BROKEN_NUMBER
    button->seq = 0;
#endif
    button_event(button, ANLING_SOS, 0, now_ms());
}

int main(int count, char **words)
{
    struct button button;
    struct anling_line line;
    struct anling_frame alive;
    struct sigaction action;
    uint32_t next_alive = now_ms();
    uint32_t address, boot;

    if (count != 3)
        return 2;
    address = (uint32_t)strtoul(words[1], NULL, 16);
    boot = (uint32_t)strtoul(words[2], NULL, 10);
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    memset(&line, 0, sizeof line);
    memset(&alive, 0, sizeof alive);
    alive.type = ANLING_ALIVE;
    alive.address = RECEIVER;
    begin(&button, address, boot);
    for (;;) {
        uint8_t wire[ANLING_WIRE_MAX];
        size_t length;
        uint32_t now = now_ms();
        struct pollfd wait = {STDIN_FILENO, POLLIN, 0};
        if (restarts > 0) {
            restarts--;
#ifndef BROKEN_BOOT
            boot++;
#endif
            begin(&button, address, boot);
            press(&button);
        }
        if (presses > 0) {
            presses--;
            press(&button);
        }
        if ((int32_t)(now - next_alive) >= 0) {
            alive.seq++;
            put_out(wire, anling_write(&alive, wire));
            next_alive = now + ALIVE_EVERY;
        }
        while ((length = button_due(&button, now_ms(), wire)) > 0) {
            put_out(wire, length);
#ifdef BROKEN_REPEAT
            forget_waiting(&button);
#endif
        }
        if (poll(&wait, 1, 50) > 0)
            take_in(&button, &line);
    }
}
