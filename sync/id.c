#include "sync/id.h"

#include <string.h>

int agent_id_compare(const struct agent_id *a, const struct agent_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool doc_id_equal(const struct doc_id *a, const struct doc_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void id_hex(const unsigned char *bytes, int count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < count; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}
