// Asks Prometheus the queries of one interval and keeps own queries that are wrong away from all others.

/// Reads a cluster's metrics. Not thread-safe.
final class MetricsReader {
    private let client: PrometheusClient
    private var queries: ClusterQueries
    /// Own queries that were tried alone: whether they are right.
    private var checked: [OwnQuery: Bool] = [:]
    /// Own queries tried in one interval; the others wait for the next ones.
    private static let checksMax = 4
    private(set) var queriesOfInterval = 0

    init(_ access: PrometheusAccess, _ queries: ClusterQueries, cancellation: Cancellation? = nil) {
        client = PrometheusClient(access, cancellation: cancellation)
        self.queries = queries
    }

    /// Everything at `time`.
    /// - Parameters:
    ///   - percentiles: that objectives have.
    ///   - own: queries of workloads; a wrong one is told of in the result and asked no more.
    func read(
        at time: Double, percentiles: Set<Double>, requests: [OwnQuery], latencies: [OwnQuery],
        refused: (OwnQuery, String) -> Void
    ) -> ClusterMetrics {
        let before = client.queries
        defer { queriesOfInterval = client.queries - before }
        queries.percentiles = percentiles.isEmpty ? [99] : percentiles.sorted()
        check(requests + latencies, at: time, refused)
        queries.ownRequests = requests.filter { checked[$0] == true }
        queries.ownLatencies = latencies.filter { checked[$0] == true }
        var metrics = ClusterMetrics()
        var away = 0
        for (measure, text) in queries.all {
            // Nobody is there: seven more time limits would only make this interval late.
            guard away < 2 else {
                metrics.problems[measure] = "Prometheus is away"
                continue
            }
            do throws(PrometheusError) {
                let answer = try client.query(text, at: time)
                if answer.warnings.isEmpty {
                    metrics.take(answer.samples, of: measure, queries.labels)
                } else {
                    // Part of the load may be missing: as if nothing had been measured, for that never scales down.
                    metrics.problems[measure] = "partial data: \(answer.warnings.joined(separator: "; ").prefix(200))"
                }
            } catch {
                if error.kind == .unavailable { away += 1 }
                metrics.problems[measure] = error.description
            }
        }
        metrics.isAway = away >= 2
        return metrics
    }

    private func check(_ own: [OwnQuery], at time: Double, _ refused: (OwnQuery, String) -> Void) {
        checked = checked.filter { entry in own.contains(entry.key) }
        var checks = 0
        for query in own where checked[query] == nil && checks < Self.checksMax {
            checks += 1
            do throws(PrometheusError) {
                _ = try client.query("sum(\(query.text))", at: time)
                checked[query] = true
            } catch {
                guard error.kind == .query else { continue }
                checked[query] = false
                refused(query, error.description)
            }
        }
    }
}
