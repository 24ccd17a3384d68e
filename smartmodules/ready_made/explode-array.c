/* explode-array: make each element of a JSON array a record of its own, with the record's key.
 *
 * kind: array_map
 * field (the whole value): the path of the array in a JSON value, such as order.lines
 * strings (json): how elements that are strings are written: json, or text without quotes
 */
#include "fluvio_smartmodule.h"

static sm_bytes field;
static int strings;

SM_INIT() {
    if (sm_param_names("field,strings") < 0 || sm_param_choice("strings", "json,text", &strings) < 0)
        return SM_ERROR;
    if (sm_param("field", &field) && !field.size)
        return sm_error("parameter \"field\" is empty, but must be a path such as order.lines");
    return SM_OK;
}

SM_ARRAY_MAP(record, out) {
    sm_json root, array, item;
    sm_bytes name;
    if (sm_json_parse(record->value, &root) < 0) return SM_ERROR;
    array = root;
    if (field.size && !sm_json_get(root, field, &array))
        return sm_error("the value has no field %.*s", SM_TEXT(field));
    if (array.kind != SM_JSON_ARRAY)
        return sm_error("not an array: %.*s", SM_TEXT(field.size ? field : SM_LITERAL("the value")));
    sm_json_walk walk = sm_json_items(array);
    while (sm_json_next(&walk, &name, &item)) {
        if (strings && item.kind == SM_JSON_STRING)
            sm_append(&out->value, sm_json_string(item.text));
        else
            sm_append_json(&out->value, item);
        sm_emit(out);
    }
    return SM_OK;
}
