// `aware evaluate --list-applications`: what the generated applications are made of, for people and for files.

import Foundation
import Scaling
import ClusterModel
import Experiments

/// The 800 applications to train on and the 200 to test on.
struct ApplicationList {
    private struct Item: Encodable {
        let name: String
        let part: String
        let segments: [String]
        let sloSeconds: Double
        let cpuSecondsPerRequest: Double
        let ioSecondsPerRequest: Double
        let baseBytes: Double
        let bytesPerRequest: Double
        let startupSeconds: Double
        let defaultCpuMillicores: Int
        let defaultMemoryBytes: Int
        /// Requests per second of one replica within the objective at each CPU size of the published grid.
        let capacity: [String: Double]
    }

    private struct Document: Encodable {
        let seed: UInt64
        /// Millicores and MiB at which the paper's generator profiled its functions, 36 combinations.
        let publishedSizes: [Int]
        let applications: [Item]
    }

    static let seed: UInt64 = 1

    func text(json: Bool) throws -> String {
        let split = SyntheticApplication.split(seed: Self.seed)
        let parts = [("training", split.training), ("test", split.test)]
        guard json else {
            return parts.flatMap { part, members in members.map { line($0, part: part) } }.joined(separator: "\n")
        }
        let items = parts.flatMap { part, members in members.map { item($0, part: part) } }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let document = Document(
            seed: Self.seed, publishedSizes: SyntheticApplication.publishedSizes, applications: items)
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    private func line(_ application: SyntheticApplication, part: String) -> String {
        let size = application.defaultSize
        let figures = [
            "slo \(Int((application.sloSeconds * 1000).rounded()))ms", "\(size.cpuMillicores)m",
            "\(size.memoryBytes >> 20)Mi", "cpu \(tenths(application.service.cpuSeconds))ms",
            "io \(tenths(application.service.ioSeconds))ms",
        ]
        return ([part, application.name] + figures).joined(separator: "\t")
    }

    /// Seconds as milliseconds with one decimal.
    private func tenths(_ seconds: Double) -> String { String(format: "%.1f", seconds * 1000) }

    private func item(_ application: SyntheticApplication, part: String) -> Item {
        let service = application.service
        var capacity: [String: Double] = [:]
        for cpu in SyntheticApplication.publishedSizes {
            capacity["\(cpu)m"] = service.capacity(
                cores: Double(cpu) / 1000, within: application.sloSeconds,
                percentile: SyntheticApplication.percentile)
        }
        return Item(
            name: application.name, part: part, segments: application.segments.map(\.name),
            sloSeconds: application.sloSeconds, cpuSecondsPerRequest: service.cpuSeconds,
            ioSecondsPerRequest: service.ioSeconds, baseBytes: service.baseBytes,
            bytesPerRequest: service.bytesPerRequest, startupSeconds: service.startupSeconds,
            defaultCpuMillicores: application.defaultSize.cpuMillicores,
            defaultMemoryBytes: application.defaultSize.memoryBytes, capacity: capacity)
    }
}
