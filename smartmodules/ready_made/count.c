/* count: say how many records there were so far.
 *
 * kind: aggregate
 *
 * The accumulator is a whole number; an empty one is 0.
 */
#include "fluvio_smartmodule.h"

SM_INIT() { return sm_param_names(""); }

SM_AGGREGATE(accumulator, record, out) {
    int64_t count = 0;
    (void)record;
    if (accumulator.size && (!sm_parse_int(accumulator, &count) || count < 0 || count == INT64_MAX))
        return sm_error("the accumulator is no count: %.*s", SM_TEXT(accumulator));
    sm_append_int(&out->value, count + 1);
    return SM_OK;
}
