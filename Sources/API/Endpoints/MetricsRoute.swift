// /metrics in the Prometheus text format 0.0.4.

import Agents
import Deciding
import Foundation
import HTTPServer
import Operations
import Scaling
import Synchronization

enum MetricsRoute {
    /// Applications with series of their own; all others are one, or the scrape would grow without end.
    static let applicationsMax = 500
    /// The label of all others: no application can have this name.
    static let others = "_other"

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/metrics") { request, _ in
            api.later(request) { ResponseBytes(contentType: .prometheus, body: Array(text(api).utf8)) }
        }
    }

    private static func text(_ api: APIContext) -> String {
        var page = MetricsPage()
        page.family("aware_base_policy_info", "gauge", "The base policy and the encoder of workloads that all applications share.")
        page.sample(
            "aware_base_policy_info", [("encoder", api.shared.encoderVersion), ("policy", api.shared.policyVersion)], 1)
        page.gauge("aware_applications", "Applications that are hosted.", Double(api.registry.count))
        let agents = api.registry.agents(before: .max, limit: .max)
        let named = agents.prefix(applicationsMax)
        let statuses = named.map { ($0.name, $0.status(api.table.activePolicy(of: $0.id))) }
        decisions(statuses, agents.dropFirst(applicationsMax), api, &page)
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
        desired(statuses, &page)
        page.gauge(
            "aware_kill_switch", "1 while the kill switch is on.", api.controls.killSwitch == nil ? 0 : 1)
        page.counter(
            "aware_training_updates_total", "Model versions that were trained.",
            Double(api.trainer.updates.load(ordering: .relaxed)))
        page.counter(
            "aware_training_cpu_seconds_total", "CPU that training has taken.",
            Double(api.trainer.cpuTime.load(ordering: .relaxed)) / 1e9)
        page.gauge("aware_training_backlog", "Applications that wait for training.", Double(api.trainer.backlog))
        store(api, &page)
        server(api.server.statistics, &page)
        ProcessMetrics.write(started: api.started, to: &page)
        return page.text
    }

    /// What each application was answered last: for KEDA's prometheus trigger, adapters and alerts.
    private static func desired(_ statuses: [(String, AgentStatus)], _ page: inout MetricsPage) {
        let known = statuses.compactMap { name, status in status.allocation.map { (name, $0) } }
        page.family("aware_desired_replicas", "gauge", "Replicas that were answered last.")
        for (name, desired) in known {
            page.sample("aware_desired_replicas", [("application", name)], Double(desired.replicas))
        }
        page.family("aware_desired_cpu_cores", "gauge", "CPU of one replica that was answered last.")
        for (name, desired) in known {
            page.sample("aware_desired_cpu_cores", [("application", name)], Double(desired.cpuMillicores) / 1000)
        }
        page.family("aware_desired_memory_bytes", "gauge", "Memory of one replica that was answered last.")
        for (name, desired) in known {
            page.sample("aware_desired_memory_bytes", [("application", name)], Double(desired.memoryBytes))
        }
    }

    private static func decisions(
        _ statuses: [(String, AgentStatus)], _ others: ArraySlice<Agent>, _ api: APIContext, _ page: inout MetricsPage
    ) {
        page.family("aware_decisions_total", "counter", "Decisions that were answered.")
        for (name, status) in statuses {
            for source in Source.allCases {
                page.sample(
                    "aware_decisions_total", [("application", name), ("source", source.rawValue)],
                    Double(status.decisionsBySource[source.index]))
            }
        }
        if !others.isEmpty {
            var sums = [Int](repeating: 0, count: Source.allCases.count)
            for agent in others {
                for (index, count) in agent.status(nil).decisionsBySource.enumerated() { sums[index] += count }
            }
            for source in Source.allCases {
                page.sample(
                    "aware_decisions_total", [("application", Self.others), ("source", source.rawValue)],
                    Double(sums[source.index]))
            }
        }
        page.histogram(
            "aware_decision_duration_seconds", "From handing a decision to the disk until it is there.",
            DecisionMetrics.bounds, api.decide.metrics.durations.counts, api.decide.metrics.durations.sumSeconds)
        page.family("aware_guard_interventions_total", "counter", "Decisions that a guard changed.")
        for (rule, count) in zip(GuardRecord.Rule.allCases, api.decide.metrics.guards) {
            page.sample("aware_guard_interventions_total", [("rule", rule.name)], Double(count))
        }
    }

    private static func store(_ api: APIContext, _ page: inout MetricsPage) {
        page.counter(
            "aware_commits_total", "Transactions that made decisions durable.",
            Double(api.recorder.commits.load(ordering: .relaxed)))
        page.counter(
            "aware_commit_failures_total", "Transactions that failed; their decisions were refused.",
            Double(api.recorder.failures.load(ordering: .relaxed)))
        page.family("aware_database_size_bytes", "gauge", "Bytes of the database and of its write-ahead log.")
        for (file, suffix) in [("database", ""), ("log", "-wal")] {
            page.sample("aware_database_size_bytes", [("file", file)], Double(Disk.bytes(of: api.store.path + suffix)))
        }
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
        page.histogram(
            "aware_http_request_duration_seconds", "From taking a request off the socket to its answer.",
            LatencyHistogram.bounds, statistics.latency.counts, statistics.latency.sumSeconds)
    }
}

/// The process, by the names that Prometheus' own client libraries use.
enum ProcessMetrics {
    static func write(started: Double, to page: inout MetricsPage) {
        page.gauge("process_start_time_seconds", "Start of the process since 1970.", started)
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
            page.counter(
                "process_cpu_seconds_total", "CPU time used.", seconds(usage.ru_utime) + seconds(usage.ru_stime))
        }
        if let pages = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " "),
            pages.count > 1, let resident = Double(pages[1])
        {
            page.gauge(
                "process_resident_memory_bytes", "Memory in use.", resident * Double(sysconf(Int32(_SC_PAGESIZE))))
        }
        if let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            page.gauge("process_open_fds", "File descriptors open.", Double(files.count))
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            page.gauge("process_max_fds", "File descriptors that may be open.", Double(limit.rlim_cur))
        }
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

    /// - Parameter counts: by bucket, not cumulated; one more than there are bounds.
    mutating func histogram(_ name: String, _ help: String, _ bounds: [Double], _ counts: [UInt64], _ sum: Double) {
        family(name, "histogram", help)
        var cumulated: UInt64 = 0
        for (bound, count) in zip(bounds, counts) {
            cumulated += count
            sample(name + "_bucket", [("le", "\(bound)")], Double(cumulated))
        }
        sample(name + "_bucket", [("le", "+Inf")], Double(counts.reduce(0, +)))
        sample(name + "_sum", [], sum)
        sample(name + "_count", [], Double(counts.reduce(0, +)))
    }
}
