/* NAME: keep the records that have a text in them. */
#include "fluvio_smartmodule.h"

static sm_bytes text;

/* Runs once, before the first record: consume with `-e text=...`. */
SM_INIT() { return sm_param_needed("text", &text); }

SM_FILTER(record) {
    if (!sm_is_utf8(record->value)) return sm_error("the value is not UTF-8 text");
    for (uint32_t i = 0; i + text.size <= record->value.size; i++)
        if (sm_equal(sm_slice(record->value, i, i + text.size), text)) return SM_KEEP;
    return SM_DROP;
}
