// Reads an observation from JSON in one pass over its members: this is the request path.

import Base
import Glibc
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
        case memoryPeakUtilization, memoryPressure, rolloutInProgress, existingReplicas
    }
    private static let names: [(utf8: [UInt8], field: Field)] = Field.allCases.map { (Array("\($0)".utf8), $0) }

    /// Reads one observation; `batch` allows the member `application`. All errors are collected.
    static func decode(_ value: JSONValue, at pointer: String = "", batch: Bool = false) -> ObservationRequest {
        var request = ObservationRequest(observation: Observation(replicas: 0))
        guard value.kind == .object else {
            request.errors.append(
                ProblemItem(
                    pointer: pointer, code: "type", detail: "An observation is an object, not \(value.summary)."))
            return request
        }
        func complain(_ member: String, _ code: String, _ detail: @autoclosure () -> String) {
            guard request.errors.count < ObjectReader.complaintsMax else { return }
            request.errors.append(ProblemItem(pointer: "\(pointer)/\(member)", code: code, detail: detail()))
        }
        var seen: UInt32 = 0
        var hasReplicas = false
        value.forEachMember { key, value in
            guard let field = field(named: key), batch || field != .application else {
                let name = String(decoding: key.prefix(64), as: UTF8.self)
                if request.unknown.count < 16 { request.unknown.append(name) }
                return
            }
            guard request.errors.count < ObjectReader.complaintsMax else { return }
            if seen & 1 << field.rawValue != 0 {
                complain("\(field)", "duplicate", "The member \"\(field)\" stands more than once.")
            }
            seen |= 1 << field.rawValue
            // `null` says the same as leaving the member out: it could not be measured.
            if value.isNull { return }
            if field == .replicas { hasReplicas = true }
            if let (code, detail) = read(field, value, into: &request) {
                complain("\(field)", code, detail)
            }
        }
        if !hasReplicas {
            complain("replicas", "required", "The number of replicas that exist is needed, for example \"replicas\": 3.")
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
        case .replicas, .readyReplicas, .existingReplicas, .oomKills: ("\(field)", "INT64")
        case .applied, .done, .rolloutInProgress: ("\(field)", "BOOL")
        case .cpuLimit, .memoryLimit, .time: ("\(field)", "BYTES")
        default: ("\(field)", "FP64")
        }
    }

    /// What Prometheus and many clients write for values that no JSON number can express.
    private static func notFinite(_ value: JSONValue) -> Double? {
        // Quantities are texts, too, and begin with a digit: no string is made of them.
        guard let first = value.utf8?.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return nil }
        switch value.string {
        case "NaN", "nan": return .nan
        case "Inf", "+Inf", "inf", "Infinity", "+Infinity": return .infinity
        case "-Inf", "-inf", "-Infinity": return -.infinity
        default: return nil
        }
    }

    @inline(__always)
    private static func field(named key: UnsafeBufferPointer<UInt8>) -> Field? {
        guard let start = key.baseAddress else { return nil }
        for name in names where name.utf8.count == key.count {
            if name.utf8.withUnsafeBufferPointer({ memcmp($0.baseAddress!, start, key.count) }) == 0 { return name.field }
        }
        return nil
    }

    /// Stores one member; returns what is wrong with it.
    private static func read(
        _ field: Field, _ value: JSONValue, into request: inout ObservationRequest
    ) -> (code: String, detail: String)? {
        // A metric that cannot be (negative, not a number, beyond its bound) is a missing one: the checker says so.
        func number(_ target: inout Double?) -> (String, String)? {
            guard let number = value.number ?? notFinite(value) else {
                return ("type", "A number is expected, not \(value.summary).")
            }
            target = number
            return nil
        }
        func count(_ target: inout Int?) -> (String, String)? {
            if notFinite(value) != nil {
                target = -1
                return nil
            }
            guard let number = value.number, number == number.rounded() else {
                return ("type", "A whole number is expected, not \(value.summary).")
            }
            target = Int(max(min(number, 1e15), -1))
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
            // A limit of nothing is a metric that cannot be.
            if let number = value.number ?? notFinite(value), !(number > 0) {
                target = -1
                return nil
            }
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
        case .cpuUtilization: return number(&request.observation.cpuUtilization)
        case .memoryUtilization: return number(&request.observation.memoryUtilization)
        case .memoryPeakUtilization: return number(&request.observation.memoryPeakUtilization)
        case .memoryPressure: return number(&request.observation.memoryPressure)
        case .latencySeconds: return number(&request.observation.latencySeconds)
        case .sloPreservation: return number(&request.observation.sloPreservation)
        case .requestRate: return number(&request.observation.requestRate)
        case .throughput: return number(&request.observation.throughput)
        case .networkUtilization: return number(&request.observation.networkUtilization)
        case .ioUtilization: return number(&request.observation.ioUtilization)
        case .throttledRatio: return number(&request.observation.throttledRatio)
        case .reward: return number(&request.observation.reward)
        case .readyReplicas: return count(&request.observation.readyReplicas)
        case .existingReplicas: return count(&request.observation.existingReplicas)
        case .oomKills: return count(&request.observation.oomKills)
        case .rolloutInProgress: return boolean(&request.observation.rolloutInProgress)
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
