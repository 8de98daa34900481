/* Native contract on a serial line, version 1: reference codec for device and receiver firmware.
 *
 * C99, no allocation, no global state, nothing of libc but string.h. Byte table: frame.md beside
 * this file; the hub runs the same vectors. Every function may be called from any context that owns
 * its arguments. */
#ifndef ANLING_CODEC_H
#define ANLING_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* Most bytes between two delimiters in any version: buffers of this size hold every piece. */
#define ANLING_PIECE_MAX 254
/* Longest frame of version 1 on the wire, both delimiters included. */
#define ANLING_WIRE_MAX 23

enum anling_type { ANLING_EVENT = 0x01, ANLING_ALIVE = 0x02, ANLING_COMMAND = 0x81 };

enum anling_kind {
    ANLING_SOS = 1,
    ANLING_FALL,
    ANLING_SMOKE,
    ANLING_GAS,
    ANLING_CO,
    ANLING_WATER,
    ANLING_INACTIVITY,
    ANLING_BED_EXIT,
    ANLING_SERVICE,
    ANLING_CANCEL,
    ANLING_TAMPER,
    ANLING_LOW_BATTERY,
    ANLING_HEARTBEAT
};

#define ANLING_RELEASED 0x01 /* the key was let go, or the condition ended */
#define ANLING_TEST 0x02     /* the device is under test */
#define ANLING_NO_BATTERY 255
#define ANLING_NO_SIGNAL (-128)
#define ANLING_SIGNAL_MAX 50

enum anling_stage { ANLING_STORED = 1, ANLING_ACCEPTED, ANLING_ON_SCENE, ANLING_CLOSED };

/* One frame. kind, flags, battery and signal mean something in an event only, stage in a command
 * only; reading sets what does not belong to the type to 0. */
struct anling_frame {
    uint8_t type;     /* enum anling_type */
    uint32_t address; /* the device's or receiver's, 1 to 2^32-1 */
    uint32_t boot;    /* rises at every restart */
    uint32_t seq;     /* of the event; in a command that of the event it answers */
    uint8_t kind;     /* enum anling_kind */
    uint8_t flags;
    uint8_t battery; /* percent, or ANLING_NO_BATTERY */
    int8_t signal;   /* dBm, or ANLING_NO_SIGNAL */
    uint8_t stage;   /* enum anling_stage */
};

/* Why a piece is no frame, in the order in which it is looked for. */
enum anling_result {
    ANLING_OK = 0,
    ANLING_TOO_LONG,
    ANLING_MALFORMED,
    ANLING_TRUNCATED,
    ANLING_CHECKSUM,
    ANLING_NEWER_THAN_US,
    ANLING_UNKNOWN_KIND,
    ANLING_TRAILING_BYTES,
    ANLING_OUT_OF_RANGE
};

/* Writes a frame as it goes on the line, both delimiters included. Returns its length, or 0 when a
 * field is outside its range. */
size_t anling_write(const struct anling_frame *frame, uint8_t out[ANLING_WIRE_MAX]);

/* Reads what stood between two delimiters. With a result other than ANLING_OK nothing of `frame`
 * may be used. */
enum anling_result anling_read(const uint8_t *piece, size_t length, struct anling_frame *frame);

/* Collects bytes of the line into pieces. Begin with all zeroes. */
struct anling_line {
    uint8_t bytes[ANLING_PIECE_MAX + 1];
    size_t length;
};

/* Takes one byte; returns the length of a piece that it ends, which stands in line->bytes until the
 * next call, or 0. A piece that is too long is cut to ANLING_PIECE_MAX + 1 and so refused. */
size_t anling_line_take(struct anling_line *line, uint8_t byte);

#endif
