// Where a team's own past comes from: files, standard input or a Prometheus. Shared by replay and import-trace.

import ArgumentParser
import Experiments
import Foundation
import Recommender
import Service

struct HistoryOptions: ParsableArguments {
    @Argument(help: "A CSV file, an access log, an answer of Prometheus' query_range, - for standard input, or a Prometheus' URL.")
    var source: String

    @Option(help: "With a URL: a Deployment or StatefulSet, as NAMESPACE/NAME; all queries follow from it.")
    var workload: String?
    @Option(help: "With a URL: PromQL that gives requests a second.") var requests: String?
    @Option(help: "PromQL, or a further file: cores used by all replicas.") var cpu: String?
    @Option(help: "PromQL, or a further file: bytes used by all replicas.") var memory: String?
    @Option(help: "PromQL, or a further file: seconds at the objective's percentile.") var latency: String?
    @Option(help: "PromQL, or a further file: replicas.") var replicas: String?
    @Option(help: "PromQL, or a further file: CPU limit of a replica in millicores.") var cpuLimit: String?
    @Option(help: "PromQL, or a further file: memory limit of a replica in bytes.") var memoryLimit: String?
    @Option(help: "PromQL, or a further file: containers killed for memory.") var oomKills: String?
    @Option(help: "With a URL: how far back, such as 14d or 12h.") var last = "14d"
    @Option(help: "With a URL: a file with a bearer token.") var prometheusTokenFile: String?
    @Option(help: "With a URL: a header, such as 'X-Scope-OrgID: team'. May be repeated.") var prometheusHeader: [String] = []

    private var isURL: Bool { ServerArguments.isURL(source) }

    private var further: [(measure: HistoryMeasure, flag: String, value: String?)] {
        [
            (.cpuCores, "--cpu", cpu), (.memoryBytes, "--memory", memory), (.latencySeconds, "--latency", latency),
            (.replicas, "--replicas", replicas), (.cpuLimit, "--cpu-limit", cpuLimit),
            (.memoryLimit, "--memory-limit", memoryLimit), (.oomKills, "--oom-kills", oomKills),
        ]
    }

    func validate() throws {
        if isURL {
            guard workload != nil || requests != nil else {
                throw ValidationError("A Prometheus needs --workload NAMESPACE/NAME, or --requests with PromQL.")
            }
            if let workload, workload.split(separator: "/").count != 2 {
                throw ValidationError("--workload \(workload) is not NAMESPACE/NAME.")
            }
        } else if let name = workload ?? requests {
            throw ValidationError("--workload and --requests (\(name)) are for a Prometheus; \(source) is no URL.")
        }
        _ = try lastSeconds()
    }

    private func lastSeconds() throws -> Double {
        guard let seconds = TimeSpan.seconds(last), seconds <= 366 * 86_400
        else { throw ValidationError("--last \(last) is no time up to a year, such as 14d, 12h or 90m.") }
        return seconds
    }

    /// Reads it all. What cannot be read is told with its name, and what is expected there.
    func read(_ say: (String) -> Void) throws -> History {
        let readings = try isURL ? fromPrometheus(say) : fromFiles(say)
        do {
            return try History(readings)
        } catch {
            throw CommandFailure("\(source): \(error).")
        }
    }

    // MARK: Files

    private func fromFiles(_ say: (String) -> Void) throws -> [HistoryMeasure: [HistoryReading]] {
        var (format, readings) = try file(source, .requestRate)
        say("\(source): \(format.rawValue), \(readings.keys.map(\.rawValue).sorted().joined(separator: ", "))")
        for (measure, _, path) in further {
            guard let path else { continue }
            let found = try file(path, measure)
            // A table of two columns may call its values what it likes.
            readings[measure] = found.readings[measure] ?? (found.readings.count == 1 ? found.readings.first?.value : nil)
            guard readings[measure] != nil else { throw CommandFailure("\(path): there is no column \(measure.rawValue) in it.") }
        }
        return readings
    }

    private func file(_ path: String, _ measure: HistoryMeasure) throws -> (format: HistoryReader.Format, readings: [HistoryMeasure: [HistoryReading]]) {
        var isFolder: ObjCBool = false
        if path != "-", FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            throw CommandFailure("\(path) is a folder; a file is expected.")
        }
        let data = path == "-" ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: path)
        guard let data else { throw CommandFailure("\(path): the file cannot be read.") }
        do {
            return try HistoryReader.read(Array(data), as: measure)
        } catch {
            throw CommandFailure("\(path): \(error).")
        }
    }

    // MARK: Prometheus

    private func fromPrometheus(_ say: (String) -> Void) throws -> [HistoryMeasure: [HistoryReading]] {
        var queries: [HistoryMeasure: String] = [:]
        if let parts = workload?.split(separator: "/").map(String.init) {
            for (name, query) in PrometheusHistory.queries(namespace: parts[0], workload: parts[1]) {
                if let measure = HistoryMeasure(rawValue: name) { queries[measure] = query }
            }
        }
        if let requests { queries[.requestRate] = requests }
        for (measure, _, query) in further { if let query { queries[measure] = query } }
        var access = PrometheusAccess(base: source)
        access.tokenFile = prometheusTokenFile
        access.options.headers = try prometheusHeader.map { try ServerArguments.pair($0, ":", "--prometheus-header") }
        let end = Date().timeIntervalSince1970
        let start = end - (try lastSeconds())
        let prometheus = PrometheusHistory(access)
        var readings: [HistoryMeasure: [HistoryReading]] = [:]
        for measure in HistoryMeasure.allCases {
            guard let query = queries[measure] else { continue }
            do {
                let series = try prometheus.series(query, from: start, to: end)
                if series.isEmpty {
                    say("\(measure.rawValue): Prometheus knows no such series")
                } else {
                    readings[measure] = HistoryReader.combine(series, as: measure)
                    say("\(measure.rawValue): \(readings[measure]?.count ?? 0) readings")
                }
            } catch {
                throw CommandFailure("\(source), \(measure.rawValue): \(error)")
            }
        }
        guard readings[.requestRate] != nil else {
            throw CommandFailure("\(source): no requests were found; give --requests with PromQL of your own: \(queries[.requestRate] ?? "")")
        }
        return readings
    }
}
