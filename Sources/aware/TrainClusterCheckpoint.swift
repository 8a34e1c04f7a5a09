// The file in which `aware train --environment cluster` keeps a run of several seeds.

import ArgumentParser
import Base
import ClusterModel
import Experiments
import Foundation
import Scaling
import ClusterModel
import Deciding
import Experiments

/// Seeds that are finished, and the trainer of the one that runs. Times are not in it: the same run gives the same
/// file, whether or not it was stopped on its way.
struct ClusterCheckpoint {
    let path: String
    let settings: String

    struct State {
        var candidates: [ClusterTraining.Candidate] = []
        /// The running seed: its trainer at the last renewal of its workers, and its curve so far.
        var trainer: [UInt8]?
        var curve: [ClusterTraining.Point] = []
        /// Updates of the running seed.
        var done = 0
        /// The stretch that becomes the curve's next point.
        private var stretch = ClusterTraining.Point(iteration: 0, meanReturn: 0, violationRate: 0, oomKills: 0)

        mutating func add(_ update: ClusterTrainer.Progress, interval: Int) {
            done += 1
            stretch.meanReturn += update.r / Double(interval)
            stretch.violationRate += update.violationRate / Double(interval)
            stretch.oomKills += update.oomKills / Double(interval)
            guard done % interval == 0 else { return }
            stretch.iteration = done
            curve.append(stretch)
            stretch = ClusterTraining.Point(iteration: 0, meanReturn: 0, violationRate: 0, oomKills: 0)
        }

        mutating func finish(seed: UInt64, policy: [UInt8]) {
            self = State(
                candidates: candidates + [.init(seed: seed, policy: policy, curve: curve, scores: [])])
        }

        fileprivate func encode(into writer: inout ByteWriter) throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            writer.write([UInt8](try encoder.encode(candidates)))
            writer.write(trainer != nil)
            writer.write(trainer ?? [])
            writer.write([UInt8](try encoder.encode(curve + [stretch])))
            writer.write(UInt64(done))
        }

        init(candidates: [ClusterTraining.Candidate] = []) { self.candidates = candidates }

        fileprivate init(from reader: inout ByteReader) throws {
            let decoder = JSONDecoder()
            candidates = try decoder.decode([ClusterTraining.Candidate].self, from: Data(try reader.byteArray()))
            let hasTrainer = try reader.bool()
            let bytes = try reader.byteArray()
            trainer = hasTrainer ? bytes : nil
            curve = try decoder.decode([ClusterTraining.Point].self, from: Data(try reader.byteArray()))
            stretch = curve.removeLast()
            done = Int(clamping: try reader.integer(UInt64.self))
        }
    }

    /// - Throws: `ValidationError` when it is not there, belongs to another run or cannot be read.
    func read() throws -> State {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure("--resume: there is no checkpoint \(path).")
        }
        do {
            var reader = ByteReader([UInt8](data))
            let found = try reader.string()
            guard found == settings else {
                throw CommandFailure("\(path) is the checkpoint of another run (\(found)), not of this (\(settings)).")
            }
            return try State(from: &reader)
        } catch let error as ValidationError {
            throw error
        } catch {
            throw CommandFailure("\(path) cannot be read as a checkpoint: \(error). Leave out --resume to begin anew.")
        }
    }

    /// Written beside and renamed, so that a run that is killed leaves the previous file.
    func write(_ state: State) throws {
        var writer = ByteWriter()
        writer.write(settings)
        try state.encode(into: &writer)
        try Data(writer.bytes).write(to: URL(filePath: path), options: .atomic)
    }
}

/// A folder of recorded loads.
enum TraceFolder {
    /// Every .csv file, by name.
    /// - Throws: `CommandFailure` when there is none, or one is not a trace.
    static func read(_ folder: String) throws -> [LoadTrace] {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter {
            $0.hasSuffix(".csv")
        }
        guard !names.isEmpty else { throw CommandFailure("--traces \(folder): there is no .csv file.") }
        return try names.sorted().map { name in
            let path = (folder as NSString).appendingPathComponent(name)
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw CommandFailure("--traces: \(path) cannot be read.")
            }
            do {
                return try LoadTrace(name: String(name.dropLast(4)), parsing: Array(bytes))
            } catch {
                throw CommandFailure("--traces: \(path): \(error).")
            }
        }
    }
}
