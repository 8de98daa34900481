#include "button.h"

#include <string.h>

#define SECONDS(n) ((uint32_t)(n) * 1000u)

/* The contract's pauses: 2, 4, 8, 16 s, then every 30 s for 10 min; a life-safety event after that
 * every 10 min, until 24 h have passed since the event. */
#define FIRST_PAUSES 4
#define STEADY_PAUSES 20
#define STEADY SECONDS(30)
#define LASTING SECONDS(600)
#define LASTING_UNTIL SECONDS(86400)

/* Pause after the frame has been sent `sent` times; 0 when it is not sent again. */
static uint32_t pause_after(const struct button_waiting *event)
{
    if (event->sent <= FIRST_PAUSES)
        return SECONDS(1) << event->sent;
    if (event->sent <= FIRST_PAUSES + STEADY_PAUSES)
        return STEADY;
    if (event->life_safety && event->last - event->since + LASTING <= LASTING_UNTIL)
        return LASTING;
    return 0;
}

static int is_life_safety(uint8_t kind)
{
    return kind == ANLING_SOS || kind == ANLING_FALL || kind == ANLING_SMOKE ||
           kind == ANLING_GAS || kind == ANLING_CO;
}

void button_begin(struct button *button, uint32_t address, uint32_t boot)
{
    memset(button, 0, sizeof *button);
    button->address = address;
    button->boot = boot;
    button->battery = ANLING_NO_BATTERY;
    button->signal = ANLING_NO_SIGNAL;
}

static struct button_waiting *free_place(struct button *button)
{
    struct button_waiting *oldest = &button->waiting[0];
    for (size_t i = 0; i < BUTTON_WAITING; i++) {
        struct button_waiting *place = &button->waiting[i];
        if (place->length == 0)
            return place;
        if (place->seq < oldest->seq)
            oldest = place;
    }
    return oldest;
}

uint32_t button_event(struct button *button, uint8_t kind, uint8_t flags, uint32_t now)
{
    struct button_waiting *place = free_place(button);
    struct anling_frame frame;

    memset(&frame, 0, sizeof frame);
    frame.type = ANLING_EVENT;
    frame.address = button->address;
    frame.boot = button->boot;
    frame.seq = ++button->seq;
    frame.kind = kind;
    frame.flags = flags;
    frame.battery = button->battery;
    frame.signal = button->signal;
    /* A repeat is the same bytes, so they are made once. */
    place->length = (uint8_t)anling_write(&frame, place->wire);
    place->life_safety = (uint8_t)is_life_safety(kind);
    place->sent = 0;
    place->seq = frame.seq;
    place->since = now;
    place->last = now;
    if (is_life_safety(kind) && (flags & ANLING_RELEASED) == 0) {
        button->shown = frame.seq;
        button->stage = 0;
    }
    return frame.seq;
}

/* How long until this event is due; 0 for now. */
static uint32_t due_in(const struct button_waiting *event, uint32_t now)
{
    uint32_t pause = event->sent == 0 ? 0 : pause_after(event);
    uint32_t passed = now - event->last;
    return passed >= pause ? 0 : pause - passed;
}

size_t button_due(struct button *button, uint32_t now, uint8_t out[ANLING_WIRE_MAX])
{
    for (size_t i = 0; i < BUTTON_WAITING; i++) {
        struct button_waiting *event = &button->waiting[i];
        size_t length = event->length;
        if (length == 0 || due_in(event, now) > 0)
            continue;
        memcpy(out, event->wire, length);
        event->last = now;
        event->sent++;
        if (pause_after(event) == 0)
            event->length = 0;
        return length;
    }
    return 0;
}

uint32_t button_sleep(const struct button *button, uint32_t now)
{
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < BUTTON_WAITING; i++) {
        const struct button_waiting *event = &button->waiting[i];
        if (event->length != 0 && due_in(event, now) < least)
            least = due_in(event, now);
    }
    return least;
}

int button_heard(struct button *button, const struct anling_frame *frame)
{
    int changed = 0;
    if (frame->type != ANLING_COMMAND || frame->address != button->address ||
        frame->boot != button->boot)
        return 0;
    for (size_t i = 0; i < BUTTON_WAITING; i++) {
        struct button_waiting *event = &button->waiting[i];
        /* Any stage says that it is on disk. */
        if (event->length != 0 && event->seq == frame->seq) {
            event->length = 0;
            changed = 1;
        }
    }
    /* Commands come late and in any order: a stage never goes back but by a new call. */
    if (frame->seq == button->shown && frame->stage > button->stage) {
        button->stage = frame->stage;
        changed = 1;
    }
    return changed;
}
