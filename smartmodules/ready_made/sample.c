/* sample: keep a part of the records, the same ones whenever the topic is read.
 *
 * kind: filter
 * every: keep the records whose offset is a multiple of this number, from 1
 * percent: keep about as many of a hundred keys, from 0 to 100; all records of a key, or none;
 *     a record without a key goes by its value
 *
 * One of the two is needed.
 */
#include "fluvio_smartmodule.h"

static int64_t every, percent = -1;

SM_INIT() {
    if (sm_param_names("every,percent") < 0 || sm_param_int("every", 1, INT64_MAX, &every) < 0 ||
        sm_param_int("percent", 0, 100, &percent) < 0)
        return SM_ERROR;
    if ((every == 0) == (percent < 0)) return sm_error("give one parameter, \"every\" or \"percent\"");
    return SM_OK;
}

/* FNV-1a, and a last step that spreads what short texts differ in over all bits. */
static uint64_t hash(sm_bytes bytes) {
    uint64_t found = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < bytes.size; i++) found = (found ^ bytes.data[i]) * 0x100000001b3u;
    found = (found ^ (found >> 30)) * 0xbf58476d1ce4e5b9u;
    found = (found ^ (found >> 27)) * 0x94d049bb133111ebu;
    return found ^ (found >> 31);
}

SM_FILTER(record) {
    if (every) return record->offset % every == 0;
    return hash(record->has_key ? record->key : record->value) % 100 < (uint64_t)percent;
}
