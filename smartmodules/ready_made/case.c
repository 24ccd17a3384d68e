/* case: make letters capital or small; A to Z only, other characters stay as they are.
 *
 * kind: map
 * to (needed): upper or lower
 * of (value): what to change: value, key or both
 */
#include "fluvio_smartmodule.h"

static int to, of;

SM_INIT() {
    sm_bytes needed;
    if (sm_param_names("to,of") < 0 || sm_param_needed("to", &needed) < 0 ||
        sm_param_choice("to", "upper,lower", &to) < 0 ||
        sm_param_choice("of", "value,key,both", &of) < 0)
        return SM_ERROR;
    return SM_OK;
}

static void append_changed(sm_buffer *buffer, sm_bytes bytes) {
    uint8_t first = to ? 'A' : 'a';
    uint8_t *at = sm_extend(buffer, bytes.size);
    for (uint32_t i = 0; i < bytes.size; i++) {
        bool is_letter = (uint8_t)(bytes.data[i] - first) < 26;
        at[i] = is_letter ? bytes.data[i] ^ 0x20 : bytes.data[i];
    }
}

SM_MAP(record, out) {
    if (of == 1)
        sm_append(&out->value, record->value);
    else
        append_changed(&out->value, record->value);
    if (of != 0 && record->has_key) {
        out->key.size = 0;
        append_changed(&out->key, record->key);
    }
    return SM_OK;
}
