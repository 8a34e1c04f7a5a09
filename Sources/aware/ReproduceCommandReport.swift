// What `aware reproduce` prints: one table an experiment, one JSON document, plots.

import Foundation
import ClusterModel
import Experiments

struct ReproductionOutput {
    let reports: [ExperimentReport]

    func text() -> String { reports.map(table).joined(separator: "\n") }

    /// Figure by figure, the arms below each other; what no arm of a figure has in the paper is left out there.
    private func table(_ report: ExperimentReport) -> String {
        var names: [String] = []
        for finding in report.findings where !names.contains(finding.name) { names.append(finding.name) }
        let width = (report.findings.map(\.arm.count).max() ?? 0) + 4
        var lines = [
            "\(report.id): \(report.title)",
            "".padding(toLength: width, withPad: " ", startingAt: 0) + "      ours      95 % interval     paper",
        ]
        for name in names {
            lines.append(name)
            for finding in report.findings where finding.name == name {
                let value = finding.value
                let interval =
                    value.low == value.high ? "" : "\(number(value.low))...\(number(value.high))"
                let cells = [
                    ("  " + finding.arm).padding(toLength: width, withPad: " ", startingAt: 0),
                    right(number(value.mean), 10), right(interval, 19), right(finding.paper.map(number) ?? "", 10),
                ]
                lines.append(cells.joined().trimmingTrailingSpaces)
            }
        }
        return (lines + report.definitions.map { "- \($0)" }).joined(separator: "\n") + "\n"
    }

    private func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private func number(_ value: Double) -> String {
        value.isFinite ? String(format: abs(value) >= 20 ? "%.1f" : "%.3f", value) : "-"
    }

    /// The JSON document of `--json`, with intervals and definitions.
    private struct Document: Encodable {
        struct Item: Encodable {
            let name: String
            let arm: String
            let value: Double?
            let interval: [Double]
            let paper: Double?
        }
        struct Experiment: Encodable {
            let id: String
            let title: String
            let definitions: [String]
            let metrics: [Item]
        }
        let experiments: [Experiment]
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let document = Document(
            experiments: reports.map { report in
                Document.Experiment(
                    id: report.id, title: report.title, definitions: report.definitions,
                    metrics: report.findings.map { finding in
                        let value = finding.value
                        return Document.Item(
                            name: finding.name, arm: finding.arm, value: value.mean.isFinite ? value.mean : nil,
                            interval: value.low.isFinite && value.high.isFinite ? [value.low, value.high] : [],
                            paper: finding.paper)
                    })
            })
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    /// One SVG a plot. The folder is made if needed.
    func writePlots(to folder: String) throws {
        for (name, plot) in reports.flatMap(\.plots) {
            try Data(plot.svg.utf8).write(to: URL(filePath: folder).appending(path: name + ".svg"))
        }
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
