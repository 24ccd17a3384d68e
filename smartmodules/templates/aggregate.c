/* NAME: add the numbers up. The accumulator is empty at first, or what --aggregate-initial says. */
#include "fluvio_smartmodule.h"

SM_AGGREGATE(accumulator, record, out) {
    int64_t sum = 0, number;
    if (accumulator.size && !sm_parse_int(accumulator, &sum))
        return sm_error("the accumulator is not a number: %.*s", SM_TEXT(accumulator));
    if (!sm_parse_int(record->value, &number))
        return sm_error("not a number: %.*s", SM_TEXT(record->value));
    sm_append_int(&out->value, sum + number);
    return SM_OK;
}
