// A C view of simdjson: one parse turns a document into a flat array of nodes that Swift can walk without allocating.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Bytes that must be readable (their content does not matter) behind every document: simdjson reads in blocks.
#define CJSON_PADDING 64

typedef enum {
    CJSON_NULL, CJSON_FALSE, CJSON_TRUE, CJSON_INTEGER, CJSON_NUMBER, CJSON_STRING, CJSON_ARRAY, CJSON_OBJECT,
} cjson_type;

/// One value. Members of an object come as key (a CJSON_STRING) and value, one behind the other.
typedef struct {
    uint8_t type;
    /// Index of the node behind this value and everything in it.
    uint32_t next;
    /// Bytes of a string, elements of an array, members of an object.
    uint32_t count;
    /// The value of a number, also of an integer.
    double number;
    /// The value of an integer that fits.
    int64_t integer;
    /// UTF-8 of a string, not terminated; valid until the parser's next document.
    const char *text;
} cjson_node;

typedef struct cjson_parser cjson_parser;

/// A parser for documents nested at most `depth` deep, with at most `values` keys and values. NULL when memory is short.
cjson_parser *cjson_parser_create(size_t depth, size_t values);
void cjson_parser_destroy(cjson_parser *parser);

/// Parses a whole document of strict RFC 8259 JSON (valid UTF-8, no lone surrogates, finite numbers, no byte order mark).
/// Returns NULL on success, otherwise what is wrong, as a static string. The nodes stay valid until the next call.
const char *cjson_parse(cjson_parser *parser, const uint8_t *bytes, size_t length, const cjson_node **nodes, size_t *count);

#ifdef __cplusplus
}
#endif
