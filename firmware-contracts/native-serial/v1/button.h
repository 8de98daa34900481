/* A button, worked out: send, repeat until answered, show the answer.
 *
 * The example owns no hardware. The firmware gives it the time in milliseconds and what the line
 * brought, and sends what it is handed. Times may wrap round. */
#ifndef ANLING_BUTTON_H
#define ANLING_BUTTON_H

#include "codec.h"

/* Events that wait for their answer at once. When all places are taken, a new event takes the place
 * of the one that has waited longest: the hub counts the newer press for the same person. */
#define BUTTON_WAITING 4

struct button_waiting {
    uint8_t wire[ANLING_WIRE_MAX];
    uint8_t length; /* 0: this place is free */
    uint8_t life_safety;
    uint16_t sent; /* how often */
    uint32_t seq;
    uint32_t since;
    uint32_t last;
};

struct button {
    uint32_t address;
    uint32_t boot;
    uint32_t seq;
    uint32_t shown; /* seq of the call that the light shows */
    uint8_t stage;  /* its enum anling_stage, 0 for none: the light */
    uint8_t battery;
    int8_t signal;
    struct button_waiting waiting[BUTTON_WAITING];
};

/* Begins. `boot` is a count in memory that survives a battery change, raised by one and written back
 * before this call: without it a press after a battery change looks like a repeat. */
void button_begin(struct button *button, uint32_t address, uint32_t boot);

/* Something happened: it is due at once. Returns its number. */
uint32_t button_event(struct button *button, uint8_t kind, uint8_t flags, uint32_t now);

/* The next frame that is due, or 0. Call again until it says 0. */
size_t button_due(struct button *button, uint32_t now, uint8_t out[ANLING_WIRE_MAX]);

/* How long the firmware may sleep; UINT32_MAX when nothing waits. */
uint32_t button_sleep(const struct button *button, uint32_t now);

/* Takes a frame that came in. Returns whether it was for this button and changed something. */
int button_heard(struct button *button, const struct anling_frame *frame);

#endif
