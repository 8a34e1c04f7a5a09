// A validator for the part of JSON Schema (2020-12) that openapi.json uses: what is wrong with a value, and where.

import Foundation

struct JSONSchema {
    /// The document that `$ref`s point into.
    let root: [String: Any]

    /// Keywords that are understood or say nothing about validity; another one would be ignored silently.
    private static let known: Set<String> = [
        "$ref", "type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "allOf",
        "not",
        "minimum", "maximum", "minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "contains",
        "description", "default", "examples",
    ]

    /// Everything that is wrong with `value`, each with its JSON pointer.
    func errors(_ value: Any, _ schema: [String: Any], at pointer: String = "") -> [String] {
        if let reference = schema["$ref"] as? String {
            guard let target = resolve(reference) else { return ["\(pointer): nothing at \(reference)"] }
            return errors(value, target, at: pointer)
        }
        var found = Set(schema.keys).subtracting(Self.known).map { "\(pointer): the keyword \($0) is not understood" }
        if let type = schema["type"], !Self.names(type).contains(where: { Self.isOf(value, $0) }) {
            return found + ["\(pointer): \(value) is not of type \(type)"]
        }
        if let allowed = schema["enum"] as? [Any], !allowed.contains(where: { Self.equal($0, value) }) {
            found.append("\(pointer): \(value) is none of \(allowed)")
        }
        if let constant = schema["const"], !Self.equal(constant, value) {
            found.append("\(pointer): \(value) is not \(constant)")
        }
        if let text = value as? String { found += errors(text, schema, pointer) }
        if let number = value as? NSNumber, !Self.isBoolean(number) {
            if let least = schema["minimum"] as? NSNumber, number.doubleValue < least.doubleValue {
                found.append("\(pointer): \(number) is below \(least)")
            }
            if let most = schema["maximum"] as? NSNumber, number.doubleValue > most.doubleValue {
                found.append("\(pointer): \(number) is above \(most)")
            }
        }
        if let array = value as? [Any] { found += errors(array, schema, pointer) }
        if let object = value as? [String: Any] { found += errors(object, schema, pointer) }
        if let choices = schema["anyOf"] as? [[String: Any]] {
            let tried = choices.map { errors(value, $0, at: pointer) }
            if !tried.contains(where: \.isEmpty) { found += tried.min { $0.count < $1.count } ?? [] }
        }
        for part in (schema["allOf"] as? [[String: Any]]) ?? [] { found += errors(value, part, at: pointer) }
        if let forbidden = schema["not"] as? [String: Any], errors(value, forbidden, at: pointer).isEmpty {
            found.append("\(pointer): \(value) is what it must not be")
        }
        return found
    }

    private func errors(_ text: String, _ schema: [String: Any], _ pointer: String) -> [String] {
        var found: [String] = []
        let count = text.unicodeScalars.count
        if let least = schema["minLength"] as? Int, count < least { found.append("\(pointer): \(text) is too short") }
        if let most = schema["maxLength"] as? Int, count > most { found.append("\(pointer): \(text) is too long") }
        if let pattern = schema["pattern"] as? String, text.range(of: pattern, options: .regularExpression) == nil {
            found.append("\(pointer): \"\(text)\" does not match \(pattern)")
        }
        let time = #"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"#
        if schema["format"] as? String == "date-time", text.range(of: time, options: .regularExpression) == nil {
            found.append("\(pointer): \(text) is no RFC 3339 time")
        }
        return found
    }

    private func errors(_ array: [Any], _ schema: [String: Any], _ pointer: String) -> [String] {
        var found: [String] = []
        if let least = schema["minItems"] as? Int, array.count < least { found.append("\(pointer): too few items") }
        if let most = schema["maxItems"] as? Int, array.count > most { found.append("\(pointer): too many items") }
        if let items = schema["items"] as? [String: Any] {
            for (index, item) in array.enumerated() { found += errors(item, items, at: "\(pointer)/\(index)") }
        }
        if let wanted = schema["contains"] as? [String: Any], !array.contains(where: { errors($0, wanted).isEmpty }) {
            found.append("\(pointer): no item is as one must be")
        }
        return found
    }

    private func errors(_ object: [String: Any], _ schema: [String: Any], _ pointer: String) -> [String] {
        let properties = (schema["properties"] as? [String: [String: Any]]) ?? [:]
        var found = ((schema["required"] as? [String]) ?? []).filter { object[$0] == nil }.map {
            "\(pointer)/\($0) is missing"
        }
        for (key, value) in object {
            if let property = properties[key] {
                found += errors(value, property, at: "\(pointer)/\(key)")
            } else if let others = schema["additionalProperties"] as? [String: Any] {
                found += errors(value, others, at: "\(pointer)/\(key)")
            } else if let allowed = schema["additionalProperties"] as? NSNumber, !allowed.boolValue {
                found.append("\(pointer)/\(key) is not described")
            }
        }
        return found
    }

    private func resolve(_ reference: String) -> [String: Any]? {
        reference.split(separator: "/").dropFirst().reduce(root as Any?) { value, key in
            (value as? [String: Any])?[String(key)]
        } as? [String: Any]
    }

    private static func names(_ type: Any) -> [String] { (type as? [String]) ?? (type as? String).map { [$0] } ?? [] }

    private static func isBoolean(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }

    private static func equal(_ a: Any, _ b: Any) -> Bool { (a as? NSObject)?.isEqual(b) ?? false || "\(a)" == "\(b)" }

    private static func isOf(_ value: Any, _ type: String) -> Bool {
        switch type {
        case "null": return value is NSNull
        case "string": return value is String
        case "array": return value is [Any]
        case "object": return value is [String: Any]
        default:
            guard let number = value as? NSNumber else { return false }
            switch type {
            case "boolean": return isBoolean(number)
            case "integer": return !isBoolean(number) && number.doubleValue.rounded() == number.doubleValue
            default: return !isBoolean(number)
            }
        }
    }
}
