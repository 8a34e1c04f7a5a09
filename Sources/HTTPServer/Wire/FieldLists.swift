// Comma-separated field values (RFC 9110 5.6.1) and what Accept-Encoding says about gzip.

/// Calls `body` with each item of a comma-separated list, white space around it removed, empty items left out.
func forEachListItem(_ value: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
    var start = 0
    while start <= value.count {
        var end = start
        while end < value.count, value[end] != UInt8(ascii: ",") { end += 1 }
        let item = trimmed(UnsafeRawBufferPointer(rebasing: value[start..<end]))
        if !item.isEmpty { body(item) }
        start = end + 1
    }
}

/// `bytes` without spaces and tabs at both ends.
func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var (start, end) = (0, bytes.count)
    while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
    while end > start, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
    return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
}

/// Whether an Accept-Encoding value names gzip (or `*`) with a weight other than 0.
func acceptsGzip(_ value: UnsafeRawBufferPointer) -> Bool {
    var gzip: Bool?
    var any: Bool?
    forEachListItem(value) { item in
        let mark = item.firstIndex(of: UInt8(ascii: ";")) ?? item.count
        let coding = trimmed(UnsafeRawBufferPointer(rebasing: item[..<mark]))
        // q=0, q=0.0, q=0.00 and q=0.000 refuse; every other weight accepts.
        let weight = item[mark...]
        let digits = weight.filter { (48...57).contains($0) }
        let wanted = digits.isEmpty || digits.contains { $0 != 48 }
        if coding.equalsIgnoringCase("gzip") || coding.equalsIgnoringCase("x-gzip") { gzip = wanted }
        if coding.equals("*") { any = wanted }
    }
    return gzip ?? any ?? false
}
