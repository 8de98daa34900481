/* The reference codec behind standard input and output, one request a line:
 *   R <hex>                                   read a piece: "ok type address boot seq kind flags
 *                                             battery signal stage", or the number of the result
 *   W type address boot seq kind flags battery signal stage    write a frame: its hex, or "-"
 *   L <hex>                                   collect bytes: the hex of every piece they end */
#include "codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE 4096

static size_t from_hex(const char *text, uint8_t *bytes, size_t most)
{
    size_t count = 0;
    unsigned byte;
    while (count < most && sscanf(text + 2 * count, "%2x", &byte) == 1)
        bytes[count++] = (uint8_t)byte;
    return count;
}

static void show(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("%02x", bytes[i]);
}

static void read_piece(const char *hex)
{
    uint8_t piece[LINE / 2];
    size_t length = from_hex(hex, piece, sizeof piece);
    struct anling_frame f;
    enum anling_result result = anling_read(piece, length, &f);
    if (result != ANLING_OK) {
        printf("%d\n", (int)result);
        return;
    }
    printf("ok %u %" PRIu32 " %" PRIu32 " %" PRIu32 " %u %u %u %d %u\n", f.type, f.address, f.boot,
           f.seq, f.kind, f.flags, f.battery, f.signal, f.stage);
}

static void write_frame(const char *text)
{
    unsigned type, kind, flags, battery, stage;
    int signal;
    struct anling_frame f;
    uint8_t wire[ANLING_WIRE_MAX];
    size_t length;
    if (sscanf(text, "%u %" SCNu32 " %" SCNu32 " %" SCNu32 " %u %u %u %d %u", &type, &f.address,
               &f.boot, &f.seq, &kind, &flags, &battery, &signal, &stage) != 9) {
        printf("?\n");
        return;
    }
    f.type = (uint8_t)type;
    f.kind = (uint8_t)kind;
    f.flags = (uint8_t)flags;
    f.battery = (uint8_t)battery;
    f.signal = (int8_t)signal;
    f.stage = (uint8_t)stage;
    length = anling_write(&f, wire);
    if (length == 0)
        putchar('-');
    show(wire, length);
    putchar('\n');
}

static void collect(const char *hex)
{
    uint8_t bytes[LINE / 2];
    size_t count = from_hex(hex, bytes, sizeof bytes);
    struct anling_line line;
    memset(&line, 0, sizeof line);
    for (size_t i = 0; i < count; i++) {
        size_t piece = anling_line_take(&line, bytes[i]);
        if (piece > 0) {
            show(line.bytes, piece);
            putchar(' ');
        }
    }
    putchar('\n');
}

int main(void)
{
    static char line[LINE];
    while (fgets(line, sizeof line, stdin) != NULL) {
        switch (line[0]) {
        case 'R':
            read_piece(line + 2);
            break;
        case 'W':
            write_frame(line + 2);
            break;
        case 'L':
            collect(line + 2);
            break;
        default:
            printf("?\n");
        }
        fflush(stdout);
    }
    return 0;
}
