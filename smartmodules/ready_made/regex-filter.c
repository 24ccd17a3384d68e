/* regex-filter: keep the records that a regular expression finds something in.
 *
 * kind: filter
 * regex (needed): the expression, as RE2 has it without its rarer parts: characters, classes, . * + ?
 *     {m,n} | ( ) ^ $ and \d \w \s; what is not known is refused when the stream begins
 * of (value): what to look at: value or key; a record without a key has nothing in it
 * keep (found): the records to keep: found, or others
 *
 * The time it takes grows with the text, whatever the expression. Text that is not UTF-8 is an error.
 */
#include "regex.h"

static int of, keep;

SM_INIT() {
    sm_bytes text;
    if (sm_param_names("regex,of,keep") < 0 || sm_param_needed("regex", &text) < 0 ||
        sm_param_choice("of", "value,key", &of) < 0 ||
        sm_param_choice("keep", "found,others", &keep) < 0)
        return SM_ERROR;
    return regex_compile(text);
}

SM_FILTER(record) {
    sm_bytes text = of ? record->key : record->value;
    if (!sm_is_utf8(text)) return sm_error("the %s is not UTF-8 text", of ? "key" : "value");
    bool is_found = (!of || record->has_key) && regex_find(text);
    return is_found != keep;
}
