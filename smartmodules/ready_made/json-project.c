/* json-project: keep some fields of a JSON object, or rename some and keep all.
 *
 * kind: map
 * fields: the fields to keep, in their new order, separated by commas: a path such as user.name
 *     gets its last part as its name, and full_name=user.name another one; what a record lacks is
 *     left out
 * rename: new names for fields of the object itself, such as id=order_id,total=sum for
 *     id and total that become order_id and sum
 *
 * One of the two is needed.
 */
#include "fluvio_smartmodule.h"

#define FIELD_COUNT_MAX 256

typedef struct {
    sm_bytes from, to;
} pair;

static pair pairs[FIELD_COUNT_MAX];
static uint32_t pair_count;
static bool is_rename;

static int read_pair(sm_bytes text, pair *found) {
    sm_bytes rest = text, part, left, right = {NULL, 0};
    sm_split(&rest, '=', &left);
    bool has_two = sm_split(&rest, '=', &right);
    if (rest.data || !left.size || (has_two ? !right.size : is_rename))
        return sm_error("\"%.*s\" is no field: write %s", SM_TEXT(text),
                        is_rename ? "old=new" : "path or name=path");
    if (is_rename) {
        *found = (pair){left, right};
        return SM_OK;
    }
    *found = (pair){has_two ? right : left, left};
    if (!has_two)
        for (rest = left; sm_split(&rest, '.', &part);) found->to = part;
    return SM_OK;
}

SM_INIT() {
    sm_bytes fields = {NULL, 0}, renames = {NULL, 0}, part;
    if (sm_param_names("fields,rename") < 0) return SM_ERROR;
    is_rename = sm_param("rename", &renames);
    if (sm_param("fields", &fields) == is_rename)
        return sm_error("give one parameter, \"fields\" or \"rename\"");
    sm_bytes rest = is_rename ? renames : fields;
    while (sm_split(&rest, ',', &part)) {
        pair found;
        if (read_pair(part, &found) < 0) return SM_ERROR;
        if (!sm_is_utf8(found.to) || !sm_is_utf8(found.from)) return sm_error("a field is not UTF-8 text");
        if (pair_count == FIELD_COUNT_MAX) return sm_error("more than %d fields", FIELD_COUNT_MAX);
        for (uint32_t i = 0; i < pair_count; i++)
            if (sm_equal(pairs[i].to, found.to) || (is_rename && sm_equal(pairs[i].from, found.from)))
                return sm_error("field \"%.*s\" is there twice", SM_TEXT(part));
        pairs[pair_count++] = found;
    }
    return SM_OK;
}

static void append_name(sm_buffer *out, sm_bytes name, bool is_written) {
    if (out->size > 1) sm_append_byte(out, ',');
    if (is_written)
        sm_append(out, name);
    else
        sm_append_json_string(out, name);
    sm_append_byte(out, ':');
}

static void append_renamed(sm_buffer *out, sm_json root) {
    sm_json_walk walk = sm_json_items(root);
    sm_bytes name;
    sm_json item;
    while (sm_json_next(&walk, &name, &item)) {
        uint32_t i = 0;
        while (i < pair_count && !sm_json_name_is(name, pairs[i].from)) i++;
        append_name(out, i < pair_count ? pairs[i].to : name, i == pair_count);
        sm_append_json(out, item);
    }
}

static void append_chosen(sm_buffer *out, sm_json root) {
    sm_json found;
    for (uint32_t i = 0; i < pair_count; i++)
        if (sm_json_get(root, pairs[i].from, &found)) {
            append_name(out, pairs[i].to, false);
            sm_append_json(out, found);
        }
}

SM_MAP(record, out) {
    sm_json root;
    if (sm_json_parse(record->value, &root) < 0) return SM_ERROR;
    if (root.kind != SM_JSON_OBJECT) return sm_error("the value is not an object");
    sm_append_byte(&out->value, '{');
    if (is_rename)
        append_renamed(&out->value, root);
    else
        append_chosen(&out->value, root);
    sm_append_byte(&out->value, '}');
    return SM_OK;
}
