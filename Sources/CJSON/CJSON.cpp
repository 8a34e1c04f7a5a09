// Flattens simdjson's document into the nodes of CJSON.h.
#include "CJSON.h"

#include <cstring>
#include <new>
#include <simdjson.h>
#include <vector>

using namespace simdjson;

static_assert(SIMDJSON_PADDING <= CJSON_PADDING, "the promised padding is too short for this simdjson");

struct cjson_parser {
    dom::parser dom{1 << 26};
    std::vector<cjson_node> nodes;
    std::vector<uint8_t> widened;
    size_t depth;
    size_t values;
};

/// What a parser keeps of its memory from one document to the next; a rare large one must not hold it for good.
static const size_t KEPT = 1 << 20;

/// Integers of more than 18 digits may not fit, and simdjson takes them for errors; JSON does not limit them. Gives a copy
/// of the document in which each of them has the exponent `e0`, which makes it a double. Only for documents that failed.
static void widen(const uint8_t *bytes, size_t length, std::vector<uint8_t> &copy) {
    copy.clear();
    bool quoted = false;
    for (size_t i = 0; i < length;) {
        const bool digit = !quoted && bytes[i] >= '0' && bytes[i] <= '9';
        // A fraction or an exponent belongs to a number that is a double already.
        const uint8_t before = i > 0 ? bytes[i - 1] : ' ', earlier = i > 1 ? bytes[i - 2] : ' ';
        const bool isPart = before == '.' || before == '+' || before == 'e' || before == 'E' ||
                            (before == '-' && (earlier == 'e' || earlier == 'E'));
        if (digit && !isPart) {
            size_t end = i;
            while (end < length && bytes[end] >= '0' && bytes[end] <= '9') end += 1;
            copy.insert(copy.end(), bytes + i, bytes + end);
            const uint8_t after = end < length ? bytes[end] : ' ';
            if (end - i > 18 && after != '.' && after != 'e' && after != 'E') copy.insert(copy.end(), {'e', '0'});
            i = end;
            continue;
        }
        if (quoted && bytes[i] == '\\' && i + 1 < length) copy.push_back(bytes[i++]);
        else if (bytes[i] == '"') quoted = !quoted;
        copy.push_back(bytes[i++]);
    }
}

/// False when there are more than `most` nodes.
static bool append(std::vector<cjson_node> &nodes, dom::element element, size_t most) {
    const size_t index = nodes.size();
    if (index >= most) return false;
    nodes.push_back(cjson_node{});
    cjson_node node{};
    switch (element.type()) {
    case dom::element_type::NULL_VALUE:
        node.type = CJSON_NULL;
        break;
    case dom::element_type::BOOL:
        node.type = bool(element) ? CJSON_TRUE : CJSON_FALSE;
        break;
    case dom::element_type::INT64:
        node.type = CJSON_INTEGER;
        node.integer = int64_t(element);
        node.number = double(node.integer);
        break;
    case dom::element_type::UINT64:  // above the largest signed integer: a number, but not an integer that fits
        node.type = CJSON_NUMBER;
        node.number = double(uint64_t(element));
        break;
    case dom::element_type::DOUBLE:
        node.type = CJSON_NUMBER;
        node.number = double(element);
        break;
    case dom::element_type::STRING: {
        std::string_view text = element;
        node.type = CJSON_STRING;
        node.text = text.data();
        node.count = uint32_t(text.size());
        break;
    }
    case dom::element_type::ARRAY:
        node.type = CJSON_ARRAY;
        for (dom::element child : dom::array(element)) {
            if (!append(nodes, child, most)) return false;
            node.count += 1;
        }
        break;
    case dom::element_type::OBJECT:
        node.type = CJSON_OBJECT;
        for (dom::key_value_pair member : dom::object(element)) {
            cjson_node key{};
            key.type = CJSON_STRING;
            key.text = member.key.data();
            key.count = uint32_t(member.key.size());
            key.next = uint32_t(nodes.size() + 1);
            nodes.push_back(key);
            if (!append(nodes, member.value, most)) return false;
            node.count += 1;
        }
        break;
    }
    node.next = uint32_t(nodes.size());
    nodes[index] = node;
    return true;
}

/// Gives back what a large document took.
static void shrink(cjson_parser *parser) {
    if (parser->nodes.capacity() * sizeof(cjson_node) > KEPT) std::vector<cjson_node>().swap(parser->nodes);
    if (parser->widened.capacity() > KEPT) std::vector<uint8_t>().swap(parser->widened);
    if (parser->dom.capacity() > KEPT) (void)parser->dom.allocate(4096, parser->depth);
}

extern "C" cjson_parser *cjson_parser_create(size_t depth, size_t values) {
    auto *parser = new (std::nothrow) cjson_parser;
    if (parser && parser->dom.allocate(4096, depth) != SUCCESS) {
        delete parser;
        return nullptr;
    }
    if (parser) parser->depth = depth, parser->values = values;
    return parser;
}

extern "C" void cjson_parser_destroy(cjson_parser *parser) { delete parser; }

extern "C" const char *cjson_parse(cjson_parser *parser, const uint8_t *bytes, size_t length, const cjson_node **nodes,
                                   size_t *count) {
    try {
        shrink(parser);
        if (length > parser->dom.capacity() &&
            parser->dom.allocate(length + length / 2, parser->depth) != SUCCESS)
            return "out of memory";
        dom::element root;
        error_code failure = parser->dom.parse(bytes, length, false).get(root);
        if (failure == NUMBER_ERROR) {
            widen(bytes, length, parser->widened);
            const size_t widened = parser->widened.size();
            parser->widened.resize(widened + CJSON_PADDING);
            if (widened > parser->dom.capacity() &&
                parser->dom.allocate(widened + widened / 2, parser->depth) != SUCCESS)
                return "out of memory";
            failure = parser->dom.parse(parser->widened.data(), widened, false).get(root);
        }
        if (failure == NUMBER_ERROR)
            return "A number is malformed or too large: JSON knows no leading zero or plus, and nothing above 1.8e308.";
        if (failure == DEPTH_ERROR) return "The document is nested too deep.";
        if (failure != SUCCESS) return error_message(failure);
        parser->nodes.clear();
        if (!append(parser->nodes, root, parser->values)) return "The document has too many values.";
        *nodes = parser->nodes.data();
        *count = parser->nodes.size();
        return nullptr;
    } catch (...) {
        return "out of memory";
    }
}
