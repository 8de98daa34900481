/* The worked example without a line and with a clock that runs as it is told: prints the seconds at
 * which each frame of one unanswered event goes out. Argument: the event's kind. */
#include "button.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words)
{
    struct button button;
    uint8_t wire[ANLING_WIRE_MAX];
    /* Near the end of what 32 bits count, so that the time wraps round on the way. */
    uint32_t began = UINT32_MAX - 60000u;
    uint32_t now = began;
    if (count != 2)
        return 2;
    button_begin(&button, 7, 1);
    button_event(&button, (uint8_t)atoi(words[1]), 0, now);
    for (;;) {
        uint32_t sleep;
        while (button_due(&button, now, wire) > 0)
            printf("%lu\n", (unsigned long)((now - began) / 1000u));
        sleep = button_sleep(&button, now);
        if (sleep == UINT32_MAX)
            return 0;
        now += sleep;
    }
}
