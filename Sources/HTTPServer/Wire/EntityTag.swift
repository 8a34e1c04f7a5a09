// Entity tags in If-Match and If-None-Match (RFC 9110 8.8.3 and 13.1).

enum EntityTag {
    /// Whether the list `value`, or "*", contains `tag` (with its quotes). Weak comparison ignores `W/`; strong
    /// comparison never matches a weak tag.
    static func list(_ value: UnsafeRawBufferPointer, contains tag: String, weakly: Bool) -> Bool {
        if value.equals("*") { return true }
        var tag = tag
        return tag.withUTF8 { wanted in
            let wanted = UnsafeRawBufferPointer(wanted)
            var found = false
            forEachListItem(value) { item in
                if weakly {
                    found = found || opaque(item).elementsEqual(opaque(wanted))
                } else {
                    found = found || (!isWeak(item) && item.elementsEqual(wanted))
                }
            }
            return found
        }
    }

    private static func isWeak(_ tag: UnsafeRawBufferPointer) -> Bool {
        tag.count > 2 && tag[0] == UInt8(ascii: "W") && tag[1] == UInt8(ascii: "/")
    }

    private static func opaque(_ tag: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        isWeak(tag) ? UnsafeRawBufferPointer(rebasing: tag[2...]) : tag
    }
}
