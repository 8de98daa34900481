/* The reference codec under ruined frames. Reads pieces as hex, one a line, and tries of each every
 * cut and every turned bit, then as many mutations as the first argument says, from the seed in the
 * second. Each try lies in memory of exactly its length, so that the sanitizers see one byte too
 * far. What is broken ends the program; otherwise it prints how many tries it made and how many of
 * them were read as a frame.
 *
 * With -fsanitize=fuzzer -DANLING_LIBFUZZER it is a libFuzzer target of the same checks instead. */
#include "button.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 256
#define MOST (2 * ANLING_PIECE_MAX)

static unsigned long tried;
static unsigned long was_read;

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

/* What one piece may do to each function that takes bytes of a line. */
static void try_piece(const uint8_t *bytes, size_t length)
{
    uint8_t *piece = malloc(length > 0 ? length : 1);
    struct anling_frame frame, again;
    struct anling_line line;
    struct button button;
    uint8_t wire[ANLING_WIRE_MAX];
    size_t written;

    if (piece == NULL)
        exit(2);
    if (length > 0)
        memcpy(piece, bytes, length);
    memset(&frame, 0xA5, sizeof frame);
    tried++;
    if (anling_read(piece, length, &frame) == ANLING_OK) {
        was_read++;
        written = anling_write(&frame, wire);
        must(written == length + 2, "what is read is written at the same length");
        must(memcmp(wire + 1, piece, length) == 0, "what is read is written as it was");
        must(anling_read(wire + 1, written - 2, &again) == ANLING_OK, "what is written is read");
        must(again.seq == frame.seq && again.boot == frame.boot, "it keeps its mark");
        button_begin(&button, frame.address, frame.boot);
        (void)button_event(&button, ANLING_SOS, 0, 0);
        (void)button_heard(&button, &frame);
        (void)button_due(&button, 0, wire);
        (void)button_sleep(&button, 0);
    }
    memset(&line, 0, sizeof line);
    for (size_t i = 0; i < length; i++) {
        size_t ended = anling_line_take(&line, piece[i]);
        must(ended <= sizeof line.bytes, "a piece of a line fits its buffer");
        if (ended > 0)
            (void)anling_read(line.bytes, ended, &frame);
    }
    free(piece);
}

#ifdef ANLING_LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    try_piece(bytes, length);
    return 0;
}

#else

struct piece {
    uint8_t bytes[MOST];
    size_t length;
};

static struct piece pieces[PIECES];
static size_t count;
static uint64_t state;

/* xorshift64: the same tries for the same seed on every machine. */
static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

static void read_pieces(void)
{
    static char text[2 * MOST + 2];
    while (count < PIECES && fgets(text, sizeof text, stdin) != NULL) {
        struct piece *piece = &pieces[count++];
        unsigned byte;
        while (piece->length < MOST && sscanf(text + 2 * piece->length, "%2x", &byte) == 1)
            piece->bytes[piece->length++] = (uint8_t)byte;
    }
}

static void try_cuts_and_bits(struct piece *piece)
{
    for (size_t cut = 0; cut <= piece->length; cut++)
        try_piece(piece->bytes, cut);
    for (size_t bit = 0; bit < 8 * piece->length; bit++) {
        piece->bytes[bit / 8] = (uint8_t)(piece->bytes[bit / 8] ^ (1u << (bit % 8)));
        try_piece(piece->bytes, piece->length);
        piece->bytes[bit / 8] = (uint8_t)(piece->bytes[bit / 8] ^ (1u << (bit % 8)));
    }
}

/* One change: a byte, a bit, a cut, a byte put in, the tail of another piece, or, seldom, noise up
 * to a length beyond every buffer. */
static void mutate(struct piece *piece)
{
    size_t at = piece->length > 0 ? any((uint32_t)piece->length) : 0;
    const struct piece *other = &pieces[any((uint32_t)count)];

    if (any(64) == 0) {
        for (size_t most = any(MOST); piece->length < most; piece->length++)
            piece->bytes[piece->length] = (uint8_t)(any(255) + 1);
        return;
    }
    switch (any(5)) {
    case 0:
        piece->bytes[at] = (uint8_t)any(256);
        break;
    case 1:
        piece->bytes[at] = (uint8_t)(piece->bytes[at] ^ (1u << any(8)));
        break;
    case 2:
        piece->length = at;
        break;
    case 3:
        if (piece->length < MOST) {
            memmove(piece->bytes + at + 1, piece->bytes + at, piece->length - at);
            piece->bytes[at] = (uint8_t)any(256);
            piece->length++;
        }
        break;
    default: {
        size_t from = other->length > 0 ? any((uint32_t)other->length) : 0;
        size_t tail = other->length - from;
        if (at + tail <= MOST) {
            memcpy(piece->bytes + at, other->bytes + from, tail);
            piece->length = at + tail;
        }
    }
    }
}

/* Half of the mutations end with a right sum, or nearly all of them would stop at it. A body is
 * written as COBS here, apart from the codec's own way. */
static void seal(struct piece *piece)
{
    uint16_t sum = 0xFFFF;
    uint8_t body[64];
    size_t length = piece->length < 24 ? piece->length : 24;
    size_t run_at = 0;

    for (size_t i = 0; i < length; i++) {
        body[i] = piece->bytes[i];
        sum = (uint16_t)(sum ^ (uint16_t)((unsigned)body[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            sum = (uint16_t)((sum & 0x8000u) != 0 ? ((unsigned)sum << 1) ^ 0x1021u
                                                  : (unsigned)sum << 1);
    }
    body[length++] = (uint8_t)(sum & 0xFF);
    body[length++] = (uint8_t)(sum >> 8);
    piece->length = 1;
    for (size_t i = 0; i < length; i++) {
        if (body[i] == 0) {
            piece->bytes[run_at] = (uint8_t)(piece->length - run_at);
            run_at = piece->length++;
        } else {
            piece->bytes[piece->length++] = body[i];
        }
    }
    piece->bytes[run_at] = (uint8_t)(piece->length - run_at);
}

/* The body of a frame out of its COBS form, so that mutations reach its fields. */
static void unseal(struct piece *piece)
{
    size_t at = 0, put = 0;
    struct piece body = {{0}, 0};
    while (at < piece->length && piece->bytes[at] > 0) {
        size_t end = at + piece->bytes[at];
        for (at++; at < end && at < piece->length; at++)
            body.bytes[put++] = piece->bytes[at];
        if (at < piece->length)
            body.bytes[put++] = 0;
    }
    body.length = put > 2 ? put - 2 : 0;
    *piece = body;
}

int main(int words, char **word)
{
    unsigned long rounds = words > 1 ? strtoul(word[1], NULL, 10) : 0;
    state = words > 2 ? strtoull(word[2], NULL, 10) : 1;
    if (state == 0)
        state = 1;
    read_pieces();
    must(count > 0, "there are pieces to begin with");
    for (size_t i = 0; i < count; i++)
        try_cuts_and_bits(&pieces[i]);
    for (unsigned long round = 0; round < rounds; round++) {
        struct piece piece = pieces[any((uint32_t)count)];
        int sealed = any(2) == 0;
        if (sealed)
            unseal(&piece);
        for (uint32_t change = any(4) + 1; change > 0; change--)
            mutate(&piece);
        if (sealed)
            seal(&piece);
        try_piece(piece.bytes, piece.length);
    }
    printf("%lu %lu\n", tried, was_read);
    return 0;
}

#endif
