// Collects everything that is wrong with a document, each with a JSON pointer, so that a caller can mend it at once.

import HTTPServer

/// Reads the members of one object and remembers what is wrong with them.
///
/// Linear in the object: members are found by a hash, and nobody is told more than `complaintsMax` times.
struct ObjectReader {
    /// Complaints about one document; whoever mends these will hear of the rest.
    static let complaintsMax = 50

    private let pointer: String
    /// Where each member stands, the first one if it is repeated.
    private var members: [String: JSONValue] = [:]
    /// The members in their order; few enough are looked at to say which nobody knows.
    private var keys: [String] = []
    private var taken: Set<String> = []
    private(set) var errors: [ProblemItem] = []

    init(_ value: JSONValue, at pointer: String) {
        self.pointer = pointer
        guard value.kind == .object else {
            complain("", "type", "An object is expected, not \(value.summary).")
            return
        }
        var members: [String: JSONValue] = [:]
        var keys: [String] = []
        members.reserveCapacity(value.count)
        keys.reserveCapacity(value.count)
        var repeated: [String] = []
        value.forEachMember { key, value in
            let key = String(decoding: key, as: UTF8.self)
            if members[key] == nil {
                members[key] = value
                keys.append(key)
            } else if repeated.count < Self.complaintsMax {
                repeated.append(key)
            }
        }
        (self.members, self.keys) = (members, keys)
        for key in repeated { complain(key, "duplicate", "The member \"\(key.prefix(64))\" stands more than once.") }
    }

    mutating func complain(_ key: String, _ code: String, _ detail: @autoclosure () -> String) {
        guard errors.count < Self.complaintsMax else { return }
        errors.append(
            ProblemItem(
                pointer: key.isEmpty ? pointer : "\(pointer)/\(Self.escape(key))", code: code, detail: detail()))
    }

    mutating func append(_ more: [ProblemItem]) { errors += more.prefix(Self.complaintsMax - errors.count) }

    /// The member, unless it is missing; `null` counts as missing unless `nullable`.
    mutating func take(_ key: String, nullable: Bool = false) -> JSONValue? {
        taken.insert(key)
        guard let value = members[key] else { return nil }
        return value.isNull && !nullable ? nil : value
    }

    mutating func number(_ key: String, in range: ClosedRange<Double>) -> Double? {
        guard let value = take(key) else { return nil }
        guard let number = value.number else {
            complain(key, "type", "A number is expected, not \(value.summary).")
            return nil
        }
        guard range.contains(number) else {
            complain(key, "range", "\(value.summary) is outside \(Self.text(range)).")
            return nil
        }
        return number
    }

    mutating func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = take(key) else { return nil }
        guard let integer = value.integer else {
            complain(key, "type", "A whole number is expected, not \(value.summary).")
            return nil
        }
        guard range.contains(integer) else {
            complain(key, "range", "\(integer) is outside \(range.lowerBound) to \(range.upperBound).")
            return nil
        }
        return integer
    }

    mutating func boolean(_ key: String) -> Bool? {
        guard let value = take(key) else { return nil }
        guard let boolean = value.boolean else {
            complain(key, "type", "true or false is expected, not \(value.summary).")
            return nil
        }
        return boolean
    }

    mutating func choice<T: RawRepresentable & CaseIterable>(_ key: String, _: T.Type) -> T? where T.RawValue == String {
        guard let value = take(key) else { return nil }
        if let text = value.string, let choice = T(rawValue: text) { return choice }
        complain(
            key, "value",
            "\(value.summary) is not one of \(T.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")).")
        return nil
    }

    /// Complains about members that nobody asked for.
    mutating func finish() {
        guard keys.count > taken.count || keys.contains(where: { !taken.contains($0) }) else { return }
        let known = taken.sorted().joined(separator: ", ")
        for key in keys where !taken.contains(key) {
            guard errors.count < Self.complaintsMax else { return }
            complain(key, "unknown", "There is no member \"\(key.prefix(64))\". Known are \(known).")
        }
    }

    private static func escape(_ key: String) -> String {
        var result = ""
        for character in key.prefix(64) {
            switch character {
            case "~": result += "~0"
            case "/": result += "~1"
            default: result.append(character)
            }
        }
        return result
    }

    /// `0 to 1000`, without fractions that say nothing.
    static func text(_ range: ClosedRange<Double>) -> String {
        func text(_ bound: Double) -> String { Int(exactly: bound).map(String.init) ?? "\(bound)" }
        return "\(text(range.lowerBound)) to \(text(range.upperBound))"
    }
}
