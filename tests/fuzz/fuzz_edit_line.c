/* Any line of `weft apply`. What is taken lies in the text and says nothing more than what stands there. */
#include <stdint.h>
#include <string.h>

#include "app/edit_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t lengths[] = {0, 1, 100, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct edit_line edit;
        struct error err = {0};
        if (edit_line_parse(bytes_of(data, size), lengths[i], &edit, &err)) {
            ensure(edit.at <= lengths[i] && edit.deleted <= lengths[i] - edit.at);
            ensure(strlen(edit.insert) <= size); /* an escape is longer than what it stands for */
            edit_line_release(&edit);
        } else {
            ensure(err.code != ERR_NONE && err.text[0]);
        }
    }
    return 0;
}
