// What `aware replay` prints and draws.

import Scaling
import ClusterModel
import Base
import Experiments
import Foundation

struct ReplayReport {
    let history: History
    let model: HistoryModel
    let result: ReplayResult
    let options: ReplayOptions

    private var notes: [String] { history.notes + model.notes }
    private var objective: Double? { model.isFitted ? model.parts.first?.application.sloSeconds : nil }

    func text() -> String {
        var rows = [["", "setting", "bill/day", "x rules", "missed %", "OOM kills", "changes/h", "core-h/day", "GiB-h/day"]]
        for row in result.rows {
            rows.append([
                row.name, row.setting, f(row.billPerDay), f(row.billOverRules),
                row.violationRate.map { f($0 * 100) } ?? "-", row.oomKills.map { f($0, 0) } ?? "-", f(row.changesPerHour, 1),
                f(row.coreHoursPerDay, 1), f(row.gibHoursPerDay, 1),
            ])
        }
        var lines = [heading(), "", TextTable.text(rows), ""]
        lines.append(
            "bill: a core-hour \(short(options.bill.cpuHourPrice)), a GiB-hour \(short(options.bill.gibHourPrice)); x rules: over hpa-vpa calibrated; missed: minutes beyond the objective.")
        lines.append(
            "Rules were calibrated to \(short(options.bill.maxViolations * 100)) % missed minutes on \(duration(result.calibratedMinutes)); everybody was judged on the \(duration(result.judgedMinutes)) after.")
        lines += notes.map { "note: \($0)." }
        if let doubt { lines.append("note: \(doubt)") }
        return lines.joined(separator: "\n")
    }

    private func heading() -> String {
        let count = history.minuteCount
        let rate = history.load.reduce(0, +) / Double(max(1, history.load.count))
        let when = history.start > 1e8 ? " from \(Timestamp.text(history.start))" : ""
        let load = "\(duration(count))\(when), \(f(rate, 1)) requests/s on average, \(f(history.load.max() ?? 0, 1)) at most"
        guard let part = model.parts.first, model.isFitted else { return load + "; five stand-in applications" }
        let service = part.application.service
        let fit = model.latencyError.map { ", latency within \(f((exponential($0) - 1) * 100, 0)) % on average" } ?? ""
        return load
            + "\nfitted model: \(f(service.cpuSeconds * 1000, 2)) ms of CPU and \(f(service.ioSeconds * 1000, 1)) ms of waiting a request, "
            + "\(f(service.baseBytes / 1_048_576, 0)) MiB + \(f(service.bytesPerRequest / 1_048_576, 2)) MiB a request in flight\(fit)"
            + "\nobjective: \(f(part.application.sloSeconds * 1000, 0)) ms at p\(short(options.percentile)); at most \(part.profile.maxReplicas) replicas"
    }

    /// When the model says something else of what ran than was measured, its other rows say little too.
    private var doubt: String? {
        guard let measured = result.rows.first(where: { $0.name == ReplayRow.measured })?.violationRate,
            let modelled = result.rows.first(where: { $0.name == ReplayRow.modelled })?.violationRate,
            abs(measured - modelled) > 0.05
        else { return nil }
        return "what ran missed \(f(measured * 100)) % as measured and \(f(modelled * 100)) % in the model: the model fits badly, trust the table little."
    }

    private func duration(_ minutes: Int) -> String {
        minutes >= 2880 ? "\(f(Double(minutes) / 1440, 1)) days" : "\(f(Double(minutes) / 60, 1)) hours"
    }

    private func f(_ value: Double, _ digits: Int = 2) -> String { String(format: "%.\(digits)f", value) }
    private func short(_ value: Double) -> String { String(format: "%g", value) }

    // MARK: JSON and plots

    private struct Document: Encodable {
        struct Fit: Encodable {
            var cpuSecondsPerRequest: Double, ioSecondsPerRequest: Double, baseBytes: Double, bytesPerRequest: Double
            var latencyError: Double?
        }
        var start: Double, minutes: Int, isFitted: Bool, objectiveSeconds: Double?, model: Fit?
        var calibratedMinutes: Int, judgedMinutes: Int
        var rows: [ReplayRow], notes: [String]
    }

    func json() throws -> String {
        let service = model.isFitted ? model.parts.first?.application.service : nil
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let document = Document(
            start: history.start, minutes: history.minuteCount, isFitted: model.isFitted, objectiveSeconds: objective,
            model: service.map {
                Document.Fit(
                    cpuSecondsPerRequest: $0.cpuSeconds, ioSecondsPerRequest: $0.ioSeconds, baseBytes: $0.baseBytes,
                    bytesPerRequest: $0.bytesPerRequest, latencyError: model.latencyError)
            }, calibratedMinutes: result.calibratedMinutes, judgedMinutes: result.judgedMinutes, rows: result.rows,
            notes: notes + (doubt.map { [$0] } ?? []))
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    func writePlots(to folder: String) throws {
        let base = URL(fileURLWithPath: folder)
        try Data(bills().svg.utf8).write(to: base.appendingPathComponent("replay-bill.svg"))
        if !result.lines.isEmpty { try Data(cores().svg.utf8).write(to: base.appendingPathComponent("replay-cores.svg")) }
    }

    /// Bill against missed minutes: lower and further left is better.
    private func bills() -> Plot {
        var names: [String] = []
        for row in result.rows where !names.contains(row.name) { names.append(row.name) }
        return Plot(
            title: "What it costs and what it misses", xLabel: "minutes beyond the objective, %", yLabel: "bill a day",
            lines: names.map { name in
                Plot.Line(
                    name: name,
                    points: result.rows.filter { $0.name == name }.compactMap { row in
                        row.violationRate.map { (x: $0 * 100, y: row.billPerDay) }
                    }, isScatter: name != "aware")
            })
    }

    /// Cores of the most telling controllers over the judged days, in at most 600 points.
    private func cores() -> Plot {
        let middle = "aware, savings \(options.savings[options.savings.count / 2])"
        let shown = [ReplayRow.modelled, "hpa default", "hpa-vpa calibrated", middle]
        return Plot(
            title: "Cores that each would have had", xLabel: "hours", yLabel: "cores",
            lines: shown.compactMap { name in
                guard let line = result.lines.first(where: { $0.name == name }) else { return nil }
                let width = max(1, line.cores.count / 600)
                let points = stride(from: 0, to: line.cores.count, by: width).map { start -> (x: Double, y: Double) in
                    let part = line.cores[start..<min(start + width, line.cores.count)]
                    return (Double(start) / 60, part.reduce(0, +) / Double(part.count))
                }
                return Plot.Line(name: name, points: points)
            })
    }
}
