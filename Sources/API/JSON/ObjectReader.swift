// Collects everything that is wrong with a document, each with a JSON pointer, so that a caller can mend it at once.

import HTTPServer

/// Reads the members of one object and remembers every complaint.
struct ObjectReader {
    private let pointer: String
    private var members: [(key: String, value: JSONValue)] = []
    private var taken: Set<String> = []
    private(set) var errors: [ProblemItem] = []

    init(_ value: JSONValue, at pointer: String) {
        self.pointer = pointer
        guard value.kind == .object else {
            complain("", "type", "An object is expected, not \(value.summary).")
            return
        }
        var members: [(key: String, value: JSONValue)] = []
        var repeated: [String] = []
        value.forEachMember { key, value in
            let key = String(decoding: key, as: UTF8.self)
            if members.contains(where: { $0.key == key }) { repeated.append(key) }
            members.append((key, value))
        }
        self.members = members
        for key in repeated { complain(key, "duplicate", "The member \"\(key)\" stands more than once.") }
    }

    mutating func complain(_ key: String, _ code: String, _ detail: String) {
        errors.append(ProblemItem(pointer: key.isEmpty ? pointer : "\(pointer)/\(Self.escape(key))", code: code, detail: detail))
    }

    mutating func append(_ more: [ProblemItem]) { errors += more }

    /// The member, unless it is missing; `null` counts as missing unless `nullable`.
    mutating func take(_ key: String, nullable: Bool = false) -> JSONValue? {
        taken.insert(key)
        guard let value = members.first(where: { $0.key == key })?.value else { return nil }
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
        for member in members where !taken.contains(member.key) {
            complain(
                member.key, "unknown",
                "There is no member \"\(member.key)\". Known are \(taken.sorted().joined(separator: ", ")).")
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
