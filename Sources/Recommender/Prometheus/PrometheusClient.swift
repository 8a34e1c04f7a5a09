// Instant queries of Prometheus and of what speaks its API: Thanos, Mimir, VictoriaMetrics.
//
// prometheus.io/docs/prometheus/latest/querying/api.

import Foundation

/// One element of an answer.
struct Sample: Equatable {
    var labels: [String: String]
    var value: Double
}

/// How to reach a Prometheus.
public struct PrometheusAccess: Sendable {
    public var options: HTTPOptions
    /// Read again every minute.
    public var tokenFile: String?
    public var basic: (user: String, password: String)?
    /// Added to every query, such as `dedup=true`.
    public var parameters: [(name: String, value: String)] = []
    public var queryTimeoutSeconds = 20

    public init(base: String) { options = HTTPOptions(base: base) }
}

/// The query had no usable answer.
struct PrometheusError: Error, CustomStringConvertible {
    enum Kind: Equatable {
        /// Nobody answered, or an overload: may work next time.
        case unavailable
        /// The query itself is wrong: repeating it is useless.
        case query
        /// Rights are missing.
        case refused
    }
    var kind: Kind
    var description: String
}

/// One connection to one Prometheus. Not thread-safe.
final class PrometheusClient {
    /// An answer: its elements, and whether some of the data may be missing.
    struct Answer {
        var samples: [Sample]
        /// Texts of `warnings`: Thanos and Mimir answer "success" with them when a store is away. `infos` do not count.
        var warnings: [String]
    }

    private let http: HTTPClient
    private let access: PrometheusAccess
    private let credentials: Credentials
    private(set) var queries = 0

    init(_ access: PrometheusAccess, cancellation: Cancellation? = nil) {
        self.access = access
        var options = access.options
        options.timeoutSeconds = access.queryTimeoutSeconds + 5
        options.stallSeconds = access.queryTimeoutSeconds
        http = HTTPClient(options, cancellation: cancellation)
        credentials = Credentials(
            access.tokenFile.map { .tokenFile($0) }
                ?? access.basic.map { .basic(user: $0.user, password: $0.password) } ?? .none)
    }

    /// The instant vector of `query` at `time` (seconds since 1970).
    func query(_ query: String, at time: Double) throws(PrometheusError) -> Answer {
        try Self.read(ask("query", [("query", query), ("time", "\((time * 1000).rounded() / 1000)")]))
    }

    /// The range vector of `query`: its series, one point in each `step` seconds.
    func queryRange(
        _ query: String, from start: Double, to end: Double, step: Double
    ) throws(PrometheusError) -> [(labels: [String: String], points: [(time: Double, value: Double)])] {
        let answer = try ask(
            "query_range", [("query", query), ("start", "\(start)"), ("end", "\(end)"), ("step", "\(step)")])
        return try (Self.body(answer, type: "matrix")["data"]?["result"]?.array ?? []).map { element in
            let points = (element["values"]?.array ?? []).compactMap { point -> (time: Double, value: Double)? in
                let pair = point.array
                guard pair.count == 2, let time = pair[0].number, let value = pair[1].string.flatMap(Self.number) else {
                    return nil
                }
                return (time, value)
            }
            return (element["metric"]?.strings ?? [:], points)
        }
    }

    private func ask(_ path: String, _ parameters: [(String, String)]) throws(PrometheusError) -> HTTPAnswer {
        queries += 1
        let form =
            parameters + [("timeout", "\(access.queryTimeoutSeconds)s")] + access.parameters.map { ($0.name, $0.value) }
        var request = HTTPRequest(
            "POST", "/api/v1/\(path)", body: form.map { "\($0.0)=\(Self.encoded($0.1))" }.joined(separator: "&"))
        request.contentType = "application/x-www-form-urlencoded"
        let answer: HTTPAnswer
        do {
            if let authorization = try credentials.identity().authorization {
                request.headers.append(("Authorization", authorization))
            }
            answer = try http.send(request)
        } catch {
            throw PrometheusError(kind: .unavailable, description: "\(error)")
        }
        if answer.status == 401 { credentials.refused() }
        return answer
    }

    private static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
    }

    /// The body of a good answer. One that is not Prometheus' JSON comes from a proxy: its status decides.
    private static func body(_ answer: HTTPAnswer, type: String) throws(PrometheusError) -> JSON {
        let body = try? JSON.parse(answer.body)
        guard answer.isSuccess, let body, body["status"]?.string == "success" else {
            let kind: PrometheusError.Kind =
                switch (answer.status, body?["errorType"]?.string) {
                case (401, _), (403, _): .refused
                case (_, "bad_data"?), (_, "execution"?): .query
                case (400, _), (422, _): .query
                default: .unavailable
                }
            let text = body?["error"]?.string ?? String(answer.text.prefix(200))
            throw PrometheusError(kind: kind, description: "Prometheus answered \(answer.status): \(text)")
        }
        guard body["data"]?["resultType"]?.string == type else {
            throw PrometheusError(kind: .query, description: "the query's answer is no \(type)")
        }
        return body
    }

    /// Reads an answer to an instant query.
    static func read(_ answer: HTTPAnswer) throws(PrometheusError) -> Answer {
        let body = try body(answer, type: "vector")
        var samples: [Sample] = []
        for element in body["data"]?["result"]?.array ?? [] {
            // A native histogram has no `value`: such a query lacks its histogram_quantile.
            let pair = element["value"]?.array ?? []
            guard pair.count == 2, let value = pair[1].string.flatMap(number) else { continue }
            samples.append(Sample(labels: element["metric"]?.strings ?? [:], value: value))
        }
        return Answer(samples: samples, warnings: (body["warnings"]?.array ?? []).compactMap(\.string))
    }

    private static func number(_ text: String) -> Double? {
        switch text {
        case "NaN": .nan
        case "+Inf": .infinity
        case "-Inf": -.infinity
        default: Double(text)
        }
    }
}
