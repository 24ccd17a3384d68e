/* json-flatten: make {"user.name":"Ann","tags.0":"a"} of {"user":{"name":"Ann"},"tags":["a"]}.
 *
 * kind: map
 * separator (.): what stands between names
 *
 * Empty objects and arrays stay as they are. The value must be a JSON object or array.
 */
#include "fluvio_smartmodule.h"

static sm_bytes joint; /* the separator, as it is written between quotes */

SM_INIT() {
    sm_bytes separator = SM_LITERAL(".");
    sm_buffer quoted = {0};
    if (sm_param_names("separator") < 0) return SM_ERROR;
    sm_param("separator", &separator);
    if (!sm_is_utf8(separator)) return sm_error("parameter \"separator\" is not UTF-8 text");
    sm_append_json_string(&quoted, separator);
    joint = sm_keep_bytes(sm_slice(SM_CONTENT(quoted), 1, quoted.size - 1));
    return SM_OK;
}

/* `path` is the new name so far, as it is written between quotes; there is none at the top. */
static void append_items(sm_buffer *out, sm_json value, sm_bytes path, bool is_top) {
    sm_json_walk walk = sm_json_items(value);
    sm_bytes name, any_name;
    sm_json item, any;
    for (int64_t number = 0; sm_json_next(&walk, &name, &item); number++) {
        sm_buffer longer = {0};
        if (!is_top) {
            sm_append(&longer, path);
            sm_append(&longer, joint);
        }
        if (walk.is_object)
            sm_append(&longer, sm_slice(name, 1, name.size - 1));
        else
            sm_append_int(&longer, number);
        sm_json_walk inside = sm_json_items(item);
        if (sm_json_next(&inside, &any_name, &any)) {
            append_items(out, item, SM_CONTENT(longer), false);
            continue;
        }
        if (out->size > 1) sm_append_byte(out, ',');
        sm_append_byte(out, '"');
        sm_append(out, SM_CONTENT(longer));
        sm_append_text(out, "\":");
        sm_append_json(out, item);
    }
}

SM_MAP(record, out) {
    sm_json root;
    if (sm_json_parse(record->value, &root) < 0) return SM_ERROR;
    if (root.kind < SM_JSON_ARRAY) return sm_error("the value is neither an object nor an array");
    sm_append_byte(&out->value, '{');
    append_items(&out->value, root, (sm_bytes){NULL, 0}, true);
    sm_append_byte(&out->value, '}');
    return SM_OK;
}
