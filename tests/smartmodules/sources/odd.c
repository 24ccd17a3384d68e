#include "fluvio_smartmodule.h"

SM_FILTER(record) {
    int64_t number;
    if (!sm_parse_int(record->value, &number))
        return sm_error("not a number: %.*s", SM_TEXT(record->value));
    return number % 2 != 0;
}
