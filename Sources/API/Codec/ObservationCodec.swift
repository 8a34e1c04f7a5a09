// Reads an observation from JSON in one pass over its members: this is the request path.

import HTTPServer
import Scaling

/// An observation as a client sent it.
struct ObservationRequest {
    var observation: Observation
    /// The client's own id for the decision.
    var id: String?
    /// In a batch: which application it is of.
    var application: String?
    /// Members that aware does not know; they are reported, not refused, so that recorders may send more.
    var unknown: [String] = []
    var errors: [ProblemItem] = []
}

enum ObservationCodec {
    private enum Field: Int, CaseIterable {
        case replicas, cpuLimit, memoryLimit, cpuUtilization, memoryUtilization, latencySeconds, sloPreservation
        case requestRate, readyReplicas, oomKills, throughput, networkUtilization, ioUtilization, throttledRatio
        case time, applied, reward, done, id, application
    }
    private static let names: [(utf8: [UInt8], field: Field)] = Field.allCases.map { (Array("\($0)".utf8), $0) }

    /// Utilisations may exceed 1 (a limit lowered in use), but not by any factor.
    private static let utilizations = 0.0...1000.0

    /// Reads one observation; `batch` allows the member `application`. All errors are collected.
    static func decode(_ value: JSONValue, at pointer: String = "", batch: Bool = false) -> ObservationRequest {
        var request = ObservationRequest(observation: Observation(replicas: 0))
        guard value.kind == .object else {
            request.errors.append(
                ProblemItem(
                    pointer: pointer, code: "type", detail: "An observation is an object, not \(value.summary)."))
            return request
        }
        var seen: UInt32 = 0
        var hasReplicas = false
        value.forEachMember { key, value in
            guard let field = field(named: key), batch || field != .application else {
                let name = String(decoding: key.prefix(64), as: UTF8.self)
                if request.unknown.count < 16 { request.unknown.append(name) }
                return
            }
            if seen & 1 << field.rawValue != 0 {
                request.errors.append(
                    ProblemItem(
                        pointer: "\(pointer)/\(field)", code: "duplicate",
                        detail: "The member \"\(field)\" stands more than once."))
            }
            seen |= 1 << field.rawValue
            // `null` says the same as leaving the member out: it could not be measured.
            if value.isNull { return }
            if field == .replicas { hasReplicas = true }
            if let (code, detail) = read(field, value, into: &request) {
                request.errors.append(ProblemItem(pointer: "\(pointer)/\(field)", code: code, detail: detail))
            }
        }
        if !hasReplicas {
            request.errors.append(
                ProblemItem(
                    pointer: "\(pointer)/replicas", code: "required",
                    detail: "The number of replicas that exist is needed, for example \"replicas\": 3."))
        }
        return request
    }

    /// Stores the member `name` of an observation that came in another form; returns what is wrong with it.
    static func store(
        _ value: JSONValue, named name: String, into request: inout ObservationRequest
    ) -> (code: String, detail: String)? {
        guard let field = Field.allCases.first(where: { "\($0)" == name }), field != .application, field != .id else {
            if request.unknown.count < 16 { request.unknown.append(name) }
            return nil
        }
        return value.isNull ? nil : read(field, value, into: &request)
    }

    /// Names and types of the members, as the Open Inference Protocol calls them. Quantities are texts.
    static let tensors: [(name: String, type: String)] = Field.allCases.compactMap { field in
        switch field {
        case .id, .application: nil
        case .replicas, .readyReplicas, .oomKills: ("\(field)", "INT64")
        case .applied, .done: ("\(field)", "BOOL")
        case .cpuLimit, .memoryLimit, .time: ("\(field)", "BYTES")
        default: ("\(field)", "FP64")
        }
    }

    @inline(__always)
    private static func field(named key: UnsafeBufferPointer<UInt8>) -> Field? {
        for name in names where name.utf8.count == key.count {
            if name.utf8.withUnsafeBufferPointer({ $0.elementsEqual(key) }) { return name.field }
        }
        return nil
    }

    /// Stores one member; returns what is wrong with it.
    private static func read(
        _ field: Field, _ value: JSONValue, into request: inout ObservationRequest
    ) -> (code: String, detail: String)? {
        func number(_ range: ClosedRange<Double>, _ target: inout Double?) -> (String, String)? {
            // People write percents where a share is meant.
            let hint = range == utilizations ? " It is a share: 0.8 is 80 %." : ""
            guard let number = value.number else {
                return ("type", "A number is expected, not \(value.summary).\(hint)")
            }
            guard range.contains(number) else {
                return ("range", "\(value.summary) is outside \(ObjectReader.text(range)).\(hint)")
            }
            target = number
            return nil
        }
        func integer(_ range: ClosedRange<Int>, _ store: (Int) -> Void) -> (String, String)? {
            guard let integer = value.integer else {
                return ("type", "A whole number is expected, not \(value.summary).")
            }
            guard range.contains(integer) else {
                return ("range", "\(integer) is outside \(range.lowerBound) to \(range.upperBound).")
            }
            store(integer)
            return nil
        }
        func boolean(_ target: inout Bool) -> (String, String)? {
            guard let boolean = value.boolean else {
                return ("type", "true or false is expected, not \(value.summary).")
            }
            target = boolean
            return nil
        }
        func quantity(_ amount: Int?, _ example: String, _ target: inout Int?) -> (String, String)? {
            guard let amount, amount > 0 else {
                return ("quantity", "\(value.summary) is not a positive Kubernetes quantity such as \(example).")
            }
            target = amount
            return nil
        }
        switch field {
        case .replicas: return integer(0...1_000_000) { request.observation.replicas = $0 }
        case .cpuLimit:
            return quantity(ProfileCodec.cpu(value), "\"500m\" or 0.5 cores", &request.observation.cpuMillicores)
        case .memoryLimit:
            return quantity(ProfileCodec.memory(value), "\"512Mi\" or bytes", &request.observation.memoryBytes)
        case .cpuUtilization: return number(utilizations, &request.observation.cpuUtilization)
        case .memoryUtilization: return number(utilizations, &request.observation.memoryUtilization)
        case .latencySeconds: return number(0...86_400, &request.observation.latencySeconds)
        case .sloPreservation: return number(0...1, &request.observation.sloPreservation)
        case .requestRate: return number(0...1e12, &request.observation.requestRate)
        case .throughput: return number(0...1e12, &request.observation.throughput)
        case .networkUtilization: return number(utilizations, &request.observation.networkUtilization)
        case .ioUtilization: return number(utilizations, &request.observation.ioUtilization)
        case .throttledRatio: return number(0...1, &request.observation.throttledRatio)
        case .reward: return number(-1000...1000, &request.observation.reward)
        case .readyReplicas: return integer(0...1_000_000) { request.observation.readyReplicas = $0 }
        case .oomKills: return integer(0...1_000_000) { request.observation.oomKills = $0 }
        case .applied: return boolean(&request.observation.applied)
        case .done: return boolean(&request.observation.done)
        case .time:
            guard let text = value.utf8, let seconds = Timestamp.seconds(text) else {
                return ("time", "\(value.summary) is not an RFC 3339 time such as \"2026-11-21T01:20:00Z\".")
            }
            request.observation.time = seconds
        case .id:
            guard let text = value.utf8, (1...64).contains(text.count), text.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
            else {
                return ("id", "An id has 1 to 64 printable ASCII characters without spaces.")
            }
            request.id = String(decoding: text, as: UTF8.self)
        case .application:
            guard let text = value.string else { return ("type", "A name is expected, not \(value.summary).") }
            request.application = text
        }
        return nil
    }
}
