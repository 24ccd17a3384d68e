/* NAME: make each word a record of its own. */
#include "fluvio_smartmodule.h"

SM_ARRAY_MAP(record, out) {
    sm_bytes word, rest = record->value;
    if (!sm_is_utf8(record->value)) return sm_error("the value is not UTF-8 text");
    while (sm_split(&rest, ' ', &word)) {
        if (!word.size) continue;
        sm_append(&out->value, word);
        sm_emit(out);
    }
    return SM_OK;
}
