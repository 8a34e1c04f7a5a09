// What an application may be called.

/// A DNS-1123 subdomain (RFC 1123 2.1; Kubernetes, "Object Names and IDs"): so it can be a label, a file and a path.
enum ApplicationName {
    /// - Throws: `OperationError` that says what is allowed.
    static func check(_ name: String) throws(OperationError) {
        guard isValid(name) else {
            throw OperationError(
                .invalid, "\"\(name.prefix(80))\" is no name for an application.",
                faults: [
                    .init(
                        pointer: "", code: "name",
                        detail:
                            "A name is a DNS-1123 subdomain: lower-case letters, digits, - and ., at most 253 characters."
                    )
                ])
        }
    }

    /// Lower-case letters, digits, "-" and ".", at most 253.
    static func isValid(_ name: String) -> Bool {
        let utf8 = Array(name.utf8)
        guard (1...253).contains(utf8.count) else { return false }
        return utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.first, let last = label.last, label.count <= 63 else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && label.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
