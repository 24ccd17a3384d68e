/* sum: add the numbers up.
 *
 * kind: aggregate
 * field (the whole value): the path of the number in a JSON value, such as order.total
 *
 * The accumulator is a number; an empty one is 0. Numbers have at most 27 digits and 9 decimals, and
 * sums are exact.
 */
#include "decimal.h"

SM_INIT() { return decimal_init(); }

SM_AGGREGATE(accumulator, record, out) {
    decimal sum, number;
    if (decimal_of_accumulator(accumulator, &sum) < 0 || decimal_of(record, &number) < 0)
        return SM_ERROR;
    if (!decimal_fits(sum + number)) return sm_error("the sum has more than 27 digits");
    decimal_append(&out->value, sum + number);
    return SM_OK;
}
