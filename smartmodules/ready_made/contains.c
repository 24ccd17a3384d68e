/* contains: keep the records that have a text in them.
 *
 * kind: filter
 * text (needed): what to look for, byte by byte
 * at (anywhere): where it must be: anywhere, start or end
 * of (value): what to look at: value or key; a record without a key has none of the texts
 * keep (found): the records to keep: found, or others
 */
#include "fluvio_smartmodule.h"

static sm_bytes text;
static int at, of, keep;

SM_INIT() {
    if (sm_param_names("text,at,of,keep") < 0 || sm_param_needed("text", &text) < 0 ||
        sm_param_choice("at", "anywhere,start,end", &at) < 0 ||
        sm_param_choice("of", "value,key", &of) < 0 ||
        sm_param_choice("keep", "found,others", &keep) < 0)
        return SM_ERROR;
    return SM_OK;
}

static bool has_text(sm_bytes bytes) {
    if (at == 1) return sm_starts_with(bytes, text);
    if (at == 2) return sm_ends_with(bytes, text);
    if (!text.size) return true;
    for (uint32_t i = 0; i + text.size <= bytes.size; i++)
        if (bytes.data[i] == text.data[0] && sm_equal(sm_slice(bytes, i, i + text.size), text))
            return true;
    return false;
}

SM_FILTER(record) {
    bool is_found = of ? record->has_key && has_text(record->key) : has_text(record->value);
    return is_found != keep;
}
