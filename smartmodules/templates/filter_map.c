/* NAME: halve the even numbers, and drop the odd ones. */
#include "fluvio_smartmodule.h"

SM_FILTER_MAP(record, out) {
    int64_t number;
    if (!sm_parse_int(record->value, &number))
        return sm_error("not a number: %.*s", SM_TEXT(record->value));
    if (number % 2 != 0) return SM_DROP;
    sm_append_int(&out->value, number / 2);
    return SM_KEEP;
}
