// /metrics in the Prometheus text format 0.0.4.

import Agents
import HTTPServer
import Synchronization

enum MetricsRoute {
    /// Applications with series of their own; beyond that only totals are reported, or the scrape would grow without end.
    static let applicationsMax = 500

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/metrics") { _, response in
            response.contentType = .prometheus
            response.body(text(api))
            return .respond
        }
    }

    private static func text(_ api: APIContext) -> String {
        var page = MetricsPage()
        let agents = api.registry.agents(before: .max, limit: applicationsMax)
        page.gauge("aware_applications", "Applications that are hosted.", Double(api.registry.count))
        let statuses = agents.map { ($0.name, $0.status(api.table.assignment(of: $0.id))) }
        page.family("aware_decisions_total", "counter", "Decisions that were answered.")
        for (name, status) in statuses {
            for source in Source.allCases {
                page.sample(
                    "aware_decisions_total", [("application", name), ("source", source.rawValue)],
                    Double(status.decisionsBySource[source.index]))
            }
        }
        page.family("aware_stage", "gauge", "1 for the stage that an application is in.")
        for (name, status) in statuses {
            for stage in Stage.allCases {
                page.sample(
                    "aware_stage", [("application", name), ("stage", stage.rawValue)], status.stage == stage ? 1 : 0)
            }
        }
        page.family("aware_reward", "gauge", "Mean step reward of the last episode, 0 to 1.")
        for (name, status) in statuses {
            if let reward = status.reward { page.sample("aware_reward", [("application", name)], reward) }
        }
        page.family("aware_rules_reward", "gauge", "Estimated mean step reward of the rules, 0 to 1.")
        for (name, status) in statuses {
            if let reward = status.rulesReward { page.sample("aware_rules_reward", [("application", name)], reward) }
        }
        page.family("aware_episodes_total", "counter", "Finished episodes.")
        for (name, status) in statuses {
            page.sample("aware_episodes_total", [("application", name)], Double(status.episodes))
        }
        page.family("aware_model_version", "gauge", "Version of the model on duty, 0 for none.")
        for (name, status) in statuses {
            page.sample("aware_model_version", [("application", name)], Double(status.modelVersion))
        }
        page.counter("aware_commits_total", "Transactions that made decisions durable.", Double(api.recorder.commits.load(ordering: .relaxed)))
        page.counter(
            "aware_commit_failures_total", "Transactions that failed; their decisions were refused.",
            Double(api.recorder.failures.load(ordering: .relaxed)))
        page.counter(
            "aware_training_updates_total", "Model versions that were trained.",
            Double(api.trainer.updates.load(ordering: .relaxed)))
        page.gauge("aware_training_backlog", "Applications that wait for training.", Double(api.trainer.backlog))
        server(api.server.statistics, &page)
        return page.text
    }

    private static func server(_ statistics: ServerStatistics, _ page: inout MetricsPage) {
        page.counter("aware_http_connections_total", "Connections accepted.", Double(statistics.connectionsAccepted))
        page.gauge("aware_http_connections", "Connections open.", Double(statistics.connectionsOpen))
        page.counter(
            "aware_http_connections_refused_total", "Connections refused at a limit.",
            Double(statistics.connectionsRefused))
        page.family("aware_http_responses_total", "counter", "Answers by class of status.")
        for (index, count) in statistics.answers.enumerated() {
            page.sample("aware_http_responses_total", [("class", "\(index + 1)xx")], Double(count))
        }
        page.counter("aware_http_refusals_total", "Requests that the parser refused.", Double(statistics.refusals))
        page.counter("aware_http_timeouts_total", "Connections ended by a timeout.", Double(statistics.timeouts))
        page.counter("aware_http_received_bytes_total", "Bytes received.", Double(statistics.bytesReceived))
        page.counter("aware_http_sent_bytes_total", "Bytes sent.", Double(statistics.bytesSent))
        page.family(
            "aware_http_request_duration_seconds", "histogram", "From taking a request off the socket to its answer.")
        var cumulated: UInt64 = 0
        for (bound, count) in zip(LatencyHistogram.bounds, statistics.latency.counts) {
            cumulated += count
            page.sample("aware_http_request_duration_seconds_bucket", [("le", "\(bound)")], Double(cumulated))
        }
        page.sample(
            "aware_http_request_duration_seconds_bucket", [("le", "+Inf")], Double(statistics.latency.count))
        page.sample("aware_http_request_duration_seconds_sum", [], statistics.latency.sumSeconds)
        page.sample("aware_http_request_duration_seconds_count", [], Double(statistics.latency.count))
    }
}

/// Lines of the text format.
struct MetricsPage {
    private(set) var text = ""

    mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    mutating func sample(_ name: String, _ labels: [(String, String)], _ value: Double) {
        text += name
        if !labels.isEmpty {
            // Names of applications are DNS-1123, all other values are ours: nothing needs escaping.
            text += "{" + labels.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",") + "}"
        }
        text += " " + (Int(exactly: value).map(String.init) ?? "\(value)") + "\n"
    }

    mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        family(name, "gauge", help)
        sample(name, [], value)
    }

    mutating func counter(_ name: String, _ help: String, _ value: Double) {
        family(name, "counter", help)
        sample(name, [], value)
    }
}
