#include "codec.h"

#include <string.h>

#define VERSION 1
#define BODY_MAX (ANLING_PIECE_MAX - 1)

/* Lengths of version 1, from the version to the last field; the sum follows. */
#define EVENT_LENGTH 18
#define ALIVE_LENGTH 14
#define COMMAND_LENGTH 15
#define SUM_LENGTH 2

/* CRC-16/CCITT-FALSE: polynomial 0x1021, begun with 0xFFFF. "123456789" gives 0x29B1. */
static uint16_t crc16(const uint8_t *bytes, size_t length)
{
    uint16_t sum = 0xFFFF;
    for (size_t i = 0; i < length; i++) {
        sum = (uint16_t)(sum ^ (uint16_t)((uint16_t)bytes[i] << 8));
        for (int bit = 0; bit < 8; bit++) {
            int high = (sum & 0x8000) != 0;
            sum = (uint16_t)((uint32_t)sum << 1);
            if (high)
                sum = (uint16_t)(sum ^ 0x1021);
        }
    }
    return sum;
}

static void put_u32(uint8_t *to, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> (8 * i));
}

static uint32_t get_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

static size_t length_of(uint8_t type)
{
    switch (type) {
    case ANLING_EVENT:
        return EVENT_LENGTH;
    case ANLING_ALIVE:
        return ALIVE_LENGTH;
    case ANLING_COMMAND:
        return COMMAND_LENGTH;
    default:
        return 0;
    }
}

static enum anling_result check(const struct anling_frame *frame)
{
    if (frame->address == 0)
        return ANLING_OUT_OF_RANGE;
    if (frame->type == ANLING_EVENT) {
        if (frame->kind < ANLING_SOS || frame->kind > ANLING_HEARTBEAT)
            return ANLING_UNKNOWN_KIND;
        if ((frame->flags & ~(ANLING_RELEASED | ANLING_TEST)) != 0)
            return ANLING_OUT_OF_RANGE;
        if (frame->battery > 100 && frame->battery != ANLING_NO_BATTERY)
            return ANLING_OUT_OF_RANGE;
        if (frame->signal > ANLING_SIGNAL_MAX)
            return ANLING_OUT_OF_RANGE;
    }
    if (frame->type == ANLING_COMMAND &&
        (frame->stage < ANLING_STORED || frame->stage > ANLING_CLOSED))
        return ANLING_UNKNOWN_KIND;
    return ANLING_OK;
}

/* COBS: each zero is replaced by the distance to the next, the first distance stands in front. A
 * body is shorter than 254, so a distance always fits one byte. */
static size_t stuff(const uint8_t *body, size_t length, uint8_t *out)
{
    size_t distance_at = 1;
    size_t at = 2;
    out[0] = 0;
    for (size_t i = 0; i < length; i++) {
        if (body[i] == 0) {
            out[distance_at] = (uint8_t)(at - distance_at);
            distance_at = at++;
        } else {
            out[at++] = body[i];
        }
    }
    out[distance_at] = (uint8_t)(at - distance_at);
    out[at++] = 0;
    return at;
}

static enum anling_result unstuff(const uint8_t *piece, size_t length, uint8_t body[BODY_MAX],
                                  size_t *body_length)
{
    size_t at = 0;
    size_t put = 0;
    if (length > ANLING_PIECE_MAX)
        return ANLING_TOO_LONG;
    if (length > 0 && memchr(piece, 0, length) != NULL)
        return ANLING_MALFORMED;
    while (at < length) {
        size_t run = (size_t)piece[at] - 1;
        at++;
        if (run > length - at)
            return ANLING_TRUNCATED;
        memcpy(body + put, piece + at, run);
        put += run;
        at += run;
        if (at < length)
            body[put++] = 0;
    }
    *body_length = put;
    return ANLING_OK;
}

size_t anling_write(const struct anling_frame *frame, uint8_t out[ANLING_WIRE_MAX])
{
    uint8_t body[EVENT_LENGTH + SUM_LENGTH];
    size_t length = length_of(frame->type);
    uint16_t sum;

    if (length == 0 || check(frame) != ANLING_OK)
        return 0;
    body[0] = VERSION;
    body[1] = frame->type;
    put_u32(body + 2, frame->address);
    put_u32(body + 6, frame->boot);
    put_u32(body + 10, frame->seq);
    if (frame->type == ANLING_EVENT) {
        body[14] = frame->kind;
        body[15] = frame->flags;
        body[16] = frame->battery;
        body[17] = (uint8_t)frame->signal;
    }
    if (frame->type == ANLING_COMMAND)
        body[14] = frame->stage;
    sum = crc16(body, length);
    body[length] = (uint8_t)(sum & 0xFF);
    body[length + 1] = (uint8_t)(sum >> 8);
    return stuff(body, length + SUM_LENGTH, out);
}

enum anling_result anling_read(const uint8_t *piece, size_t length, struct anling_frame *frame)
{
    uint8_t body[BODY_MAX];
    size_t body_length = 0;
    size_t said;
    enum anling_result result = unstuff(piece, length, body, &body_length);

    if (result != ANLING_OK)
        return result;
    if (body_length < 2 + SUM_LENGTH)
        return ANLING_TRUNCATED;
    said = body_length - SUM_LENGTH;
    if (crc16(body, said) != (uint16_t)(body[said] | (uint16_t)((uint16_t)body[said + 1] << 8)))
        return ANLING_CHECKSUM;
    if (body[0] != VERSION)
        return body[0] == 0 ? ANLING_OUT_OF_RANGE : ANLING_NEWER_THAN_US;
    if (length_of(body[1]) == 0)
        return ANLING_UNKNOWN_KIND;
    if (said != length_of(body[1]))
        return said < length_of(body[1]) ? ANLING_TRUNCATED : ANLING_TRAILING_BYTES;

    memset(frame, 0, sizeof *frame);
    frame->type = body[1];
    frame->address = get_u32(body + 2);
    frame->boot = get_u32(body + 6);
    frame->seq = get_u32(body + 10);
    if (frame->type == ANLING_EVENT) {
        frame->kind = body[14];
        frame->flags = body[15];
        frame->battery = body[16];
        /* Two's complement by hand: converting a large uint8_t is up to the compiler. */
        frame->signal = (int8_t)(body[17] < 128 ? (int)body[17] : (int)body[17] - 256);
    }
    if (frame->type == ANLING_COMMAND)
        frame->stage = body[14];
    return check(frame);
}

size_t anling_line_take(struct anling_line *line, uint8_t byte)
{
    size_t ended = line->length;
    if (byte == 0) {
        line->length = 0;
        return ended;
    }
    if (line->length < sizeof line->bytes)
        line->bytes[line->length++] = byte;
    return 0;
}
