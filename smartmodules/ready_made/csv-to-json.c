/* csv-to-json: make a JSON object of a line of comma-separated values.
 *
 * kind: map
 * columns (needed): names for the cells, separated by commas; a line must have as many cells
 * delimiter (,): the byte between cells
 * numbers (text): what cells that JSON would take for numbers become: text, or json for numbers
 *
 * A cell may stand in double quotes; inside them a double quote is written twice. A line break is
 * allowed inside quotes, and at the very end.
 */
#include "fluvio_smartmodule.h"

#define COLUMN_COUNT_MAX 1024

static sm_bytes columns[COLUMN_COUNT_MAX];
static uint32_t column_count;
static uint8_t delimiter = ',';
static int numbers;

SM_INIT() {
    sm_bytes names, mark;
    if (sm_param_names("columns,delimiter,numbers") < 0 || sm_param_needed("columns", &names) < 0 ||
        sm_param_choice("numbers", "text,json", &numbers) < 0)
        return SM_ERROR;
    if (sm_param("delimiter", &mark)) {
        if (mark.size != 1 || mark.data[0] == '"' || mark.data[0] == '\n' || mark.data[0] == '\r' ||
            mark.data[0] >= 0x80)
            return sm_error("parameter \"delimiter\" is \"%.*s\", but must be one byte", SM_TEXT(mark));
        delimiter = mark.data[0];
    }
    if (!sm_is_utf8(names)) return sm_error("parameter \"columns\" is not UTF-8 text");
    while (column_count < COLUMN_COUNT_MAX && sm_split(&names, ',', &columns[column_count])) {
        for (uint32_t i = 0; i < column_count; i++)
            if (sm_equal(columns[i], columns[column_count]))
                return sm_error("column \"%.*s\" is there twice", SM_TEXT(columns[i]));
        column_count++;
    }
    if (names.data) return sm_error("more than %d columns", COLUMN_COUNT_MAX);
    return SM_OK;
}

/* One cell, from `*at` up to the delimiter or the end. */
static int read_cell(const uint8_t **at, const uint8_t *end, sm_buffer *cell) {
    const uint8_t *from = *at;
    cell->size = 0;
    if (from == end || *from != '"') {
        while (*at < end && **at != delimiter) {
            if (**at == '\n' || **at == '\r') return sm_error("a line break outside quotes");
            ++*at;
        }
        sm_append(cell, (sm_bytes){from, (uint32_t)(*at - from)});
        return SM_OK;
    }
    for (++*at;;) {
        if (*at == end) return sm_error("quotes that do not end");
        uint8_t byte = *(*at)++;
        if (byte == '"') {
            if (*at == end || **at != '"') break;
            ++*at;
        }
        sm_append_byte(cell, byte);
    }
    if (*at < end && **at != delimiter) return sm_error("text after closing quotes");
    return SM_OK;
}

SM_MAP(record, out) {
    const uint8_t *at = record->value.data, *end = at + record->value.size;
    sm_buffer cell = {0};
    uint32_t count = 0;
    if (!sm_is_utf8(record->value)) return sm_error("the value is not UTF-8 text");
    if (at < end && end[-1] == '\n') end--;
    if (at < end && end[-1] == '\r') end--;
    sm_append_byte(&out->value, '{');
    for (bool is_more = true; is_more; at++) {
        if (read_cell(&at, end, &cell) < 0) return SM_ERROR;
        is_more = at < end;
        if (count++ >= column_count) continue;
        if (count > 1) sm_append_byte(&out->value, ',');
        sm_append_json_string(&out->value, columns[count - 1]);
        sm_append_byte(&out->value, ':');
        bool is_number = numbers && cell.size &&
                         sm_json_number_end(cell.data, cell.data + cell.size) == cell.data + cell.size;
        if (is_number)
            sm_append(&out->value, SM_CONTENT(cell));
        else
            sm_append_json_string(&out->value, SM_CONTENT(cell));
    }
    if (count != column_count) return sm_error("%u cells, but %u columns", count, column_count);
    sm_append_byte(&out->value, '}');
    return SM_OK;
}
