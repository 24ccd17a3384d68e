/* NAME: put a text before each value. */
#include "fluvio_smartmodule.h"

static sm_bytes prefix = SM_LITERAL("> ");

/* Runs once, before the first record: consume with `-e prefix=...`, or without. */
SM_INIT() {
    sm_param("prefix", &prefix);
    return SM_OK;
}

SM_MAP(record, out) {
    if (!record->value.size) return sm_error("the value is empty");
    sm_append(&out->value, prefix);
    sm_append(&out->value, record->value);
    return SM_OK;
}
