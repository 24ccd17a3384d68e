#include "fluvio_smartmodule.h"

SM_MAP(record, out) {
    int64_t number;
    if (!sm_parse_int(record->value, &number))
        return sm_error("not a number: %.*s", SM_TEXT(record->value));
    sm_append_int(&out->value, 2 * number);
    return SM_OK;
}
