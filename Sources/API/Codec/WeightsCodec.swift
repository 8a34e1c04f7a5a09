// A policy's weights as JSON: its shape and every parameter, exactly.

import HTTPServer
import Learning
import Neural
import Scaling

enum WeightsCodec {
    static func encode(_ policy: Policy) -> [UInt8] {
        let shape = policy.shape
        var json = JSONWriter(reserving: policy.parameters.count * 14 + 512)
        json.object { json in
            json.object("shape") { json in
                json.member("observationSize", shape.observationSize)
                json.member("embeddingSize", shape.embeddingSize)
                json.member("recurrentSize", shape.recurrentSize)
                for (name, sizes) in [
                    ("hidden" as StaticString, shape.hidden), ("heads", shape.heads), ("noOps", shape.noOps),
                ] {
                    json.array(name) { json in for size in sizes { json.element(Double(size)) } }
                }
                json.member("activation", "\(shape.activation)")
                if shape.restraint != 0 { json.member("restraint", Double(shape.restraint)) }
            }
            // The shortest decimal form that gives back the same float.
            json.array("parameters") { json in
                for value in policy.parameters {
                    json.element(json: Array((value.isFinite ? "\(value)" : "null").utf8))
                }
            }
        }
        return json.bytes
    }

    /// A policy in its binary form, or everything that is wrong with the document.
    static func decode(_ value: JSONValue) -> (weights: [UInt8], errors: [ProblemItem]) {
        var reader = ObjectReader(value, at: "")
        guard let shapeValue = reader.take("shape") else {
            reader.complain("shape", "required", "The sizes of the network are needed.")
            return ([], reader.errors)
        }
        var inner = ObjectReader(shapeValue, at: "/shape")
        let sizes = 0...4096
        var shape = PolicyShape(
            observationSize: inner.integer("observationSize", in: sizes) ?? 0,
            embeddingSize: inner.integer("embeddingSize", in: sizes) ?? 0,
            recurrentSize: inner.integer("recurrentSize", in: sizes) ?? 0, hidden: inner.sizes("hidden"),
            heads: inner.sizes("heads"), noOps: inner.sizes("noOps"))
        if let name = inner.take("activation")?.string {
            if let activation = Activation.allCases.first(where: { "\($0)" == name }) {
                shape.activation = activation
            } else {
                inner.complain(
                    "activation", "value",
                    "Activations are \(Activation.allCases.map { "\($0)" }.joined(separator: ", ")).")
            }
        }
        shape.restraint = Float(inner.number("restraint", in: 0...Double(PolicyShape.maxRestraint)) ?? 0)
        inner.finish()
        reader.append(inner.errors)
        var parameters: [Float] = []
        if let list = reader.take("parameters"), list.kind == .array {
            list.forEachElement { index, element in
                if let number = element.number, Float(number).isFinite {
                    parameters.append(Float(number))
                } else if reader.errors.count < 16 {
                    reader.append([
                        ProblemItem(
                            pointer: "/parameters/\(index)", code: "type",
                            detail: "\(element.summary) is not a finite number.")
                    ])
                }
            }
        } else {
            reader.complain("parameters", "required", "The weights are needed, as an array of numbers.")
        }
        reader.finish()
        guard reader.errors.isEmpty else { return ([], reader.errors) }
        guard shape.isValid else {
            reader.complain("shape", "value", "These sizes make no network.")
            return ([], reader.errors)
        }
        let wanted = ActorCritic(shape).layout.count
        guard parameters.count == wanted else {
            reader.complain("parameters", "count", "The shape asks for \(wanted) numbers, not \(parameters.count).")
            return ([], reader.errors)
        }
        return (Policy(shape: shape, parameters: parameters).encode(), [])
    }
}

extension ObjectReader {
    /// A list of at most 32 whole numbers; a missing one is empty.
    fileprivate mutating func sizes(_ key: String) -> [Int] {
        guard let value = take(key) else { return [] }
        var sizes: [Int] = []
        if value.kind == .array, value.count <= 32 {
            value.forEachElement { _, element in
                if let size = element.integer, (0...4096).contains(size) { sizes.append(size) }
            }
        }
        if value.kind != .array || sizes.count != value.count {
            complain(key, "type", "A list of at most 32 whole numbers from 0 to 4096 is expected.")
        }
        return sizes
    }
}
