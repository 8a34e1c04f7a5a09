// What `aware train` says in the end: a table, one JSON document, and plots.

import Foundation
import ClusterModel
import Experiments

/// A finished run. `meanReturn` is the greedy policy's mean over loads 1 to 8.
struct TrainReport {
    var environment = ""
    var algorithm = ""
    var seed: UInt64 = 0
    var optimum = 0.0
    let curve: [TabularIteration]
    let meanReturn: Double
    /// Of this process; iterations taken from a checkpoint cost nothing here.
    let seconds: Double
    let iterationsRun: Int
    let stepsPerIteration: Int

    init(
        curve: [TabularIteration], meanReturn: Double, seconds: Double, iterationsRun: Int, stepsPerIteration: Int
    ) {
        self.curve = curve
        self.meanReturn = meanReturn
        self.seconds = seconds
        self.iterationsRun = iterationsRun
        self.stepsPerIteration = stepsPerIteration
    }

    private var secondsPerIteration: Double { iterationsRun == 0 ? 0 : seconds / Double(iterationsRun) }
    private var stepsPerSecond: Double {
        seconds > 0 ? Double(iterationsRun * stepsPerIteration) / seconds : 0
    }

    func text() -> String {
        let last = curve.last
        return [
            ("environment", environment), ("algorithm", algorithm), ("seed", "\(seed)"),
            ("iterations", "\(curve.count)"),
            ("mean return, greedy", String(format: "%.3f of %.3f", meanReturn, optimum)),
            ("last iteration, as played", String(format: "%.3f", last?.meanReturn ?? 0)),
            ("utilisation", String(format: "%.3f", last?.utilization ?? 0)),
            ("SLO preservation", String(format: "%.3f", last?.sloPreservation ?? 0)),
            ("seconds an iteration", String(format: "%.5f", secondsPerIteration)),
            ("steps a second", String(format: "%.0f", stepsPerSecond)),
        ].map { $0.0.padding(toLength: 28, withPad: " ", startingAt: 0) + $0.1 }.joined(separator: "\n")
    }

    /// The JSON document of `--json`.
    private struct Document: Encodable {
        struct Point: Encodable {
            let iteration: Int
            let meanReturn: Double
            let utilization: Double
            let sloPreservation: Double
        }
        let environment: String
        let algorithm: String
        let seed: UInt64
        let iterations: Int
        let meanReturn: Double
        let optimum: Double
        let secondsPerIteration: Double
        let stepsPerSecond: Double
        let curve: [Point]
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let points = curve.enumerated().map {
            Document.Point(
                iteration: $0.offset + 1, meanReturn: $0.element.meanReturn, utilization: $0.element.utilization,
                sloPreservation: $0.element.sloPreservation)
        }
        let document = Document(
            environment: environment, algorithm: algorithm, seed: seed, iterations: curve.count,
            meanReturn: meanReturn, optimum: optimum, secondsPerIteration: secondsPerIteration,
            stepsPerSecond: stepsPerSecond, curve: points)
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    /// return.svg, utilization.svg and slo-preservation.svg, each with its moving average over ten iterations.
    func writePlots(to folder: String) throws {
        let series: [(file: String, label: String, value: (TabularIteration) -> Double)] = [
            ("return", "mean return", \.meanReturn), ("utilization", "CPU utilisation", \.utilization),
            ("slo-preservation", "SLO preservation", \.sloPreservation),
        ]
        for (file, label, value) in series {
            let values = curve.map(value)
            let average = values.indices.map { index -> Double in
                let window = values[max(0, index - 9)...index]
                return window.reduce(0, +) / Double(window.count)
            }
            func points(_ values: [Double]) -> [(x: Double, y: Double)] {
                values.enumerated().map { (Double($0.offset + 1), $0.element) }
            }
            let plot = Plot(
                title: "\(algorithm), seed \(seed)", xLabel: "iteration", yLabel: label,
                lines: [
                    .init(name: "as played", points: points(values), isFaint: true),
                    .init(name: "average of ten", points: points(average)),
                ], levels: file == "return" ? [("optimum", optimum)] : [])
            try Data(plot.svg.utf8).write(to: URL(filePath: folder).appending(path: file + ".svg"))
        }
    }
}
