// The file in which `aware train` keeps a run, and its lines of progress.

import ArgumentParser
import Base
import ClusterModel
import Experiments
import Foundation
import Scaling

/// Settings, curve and run. The same run gives the same file, whether or not it was stopped on its way.
struct TrainCheckpoint {
    let path: String
    let settings: String

    /// Nil when there is no file yet.
    /// - Throws: `ValidationError` when it belongs to another run or cannot be read.
    func read<Run: TabularRun>(_: Run.Type) throws -> (run: Run, curve: [TabularIteration])? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            var reader = ByteReader([UInt8](try Data(contentsOf: URL(filePath: path))))
            let found = try reader.string()
            guard found == settings else {
                throw CommandFailure("\(path) is the checkpoint of another run (\(found)), not of this (\(settings)).")
            }
            let numbers = try reader.doubles()
            let curve = stride(from: 0, to: numbers.count - numbers.count % 3, by: 3).map {
                TabularIteration(
                    meanReturn: numbers[$0], utilization: numbers[$0 + 1], sloPreservation: numbers[$0 + 2])
            }
            return (try Run(decoding: try reader.byteArray()), curve)
        } catch let error as ValidationError {
            throw error
        } catch {
            throw CommandFailure("\(path) cannot be read as a checkpoint: \(error). Move it away to begin anew.")
        }
    }

    /// Written beside and renamed, so that a run that is killed leaves the previous file.
    func write<Run: TabularRun>(_ run: Run, _ curve: [TabularIteration]) throws {
        var writer = ByteWriter()
        writer.write(settings)
        writer.write(curve.flatMap { [$0.meanReturn, $0.utilization, $0.sloPreservation] })
        writer.write(run.encode())
        try Data(writer.bytes).write(to: URL(filePath: path), options: .atomic)
    }
}

/// Progress on standard error: one line that is rewritten on a terminal, about twenty lines elsewhere.
struct TrainProgress {
    let total: Int
    private let isTerminal = isatty(STDERR_FILENO) == 1

    init(total: Int) { self.total = total }

    func report(_ curve: [TabularIteration], stepsPerSecond: Double) {
        let done = curve.count
        let interval = isTerminal ? max(total / 200, 1) : max(total / 20, 1)
        guard done % interval == 0 || done == total, let last = curve.last else { return }
        let recent = curve.suffix(10)
        let average = recent.reduce(0) { $0 + $1.meanReturn } / Double(recent.count)
        let line = String(
            format: "%d/%d  return %.2f  average %.2f  utilisation %.2f  SLO %.2f  %.0f steps/s  %.0f MiB  %.1f s CPU", done, total,
            last.meanReturn, average, last.utilization, last.sloPreservation, stepsPerSecond, Self.used.mebibytes, Self.used.seconds)
        FileHandle.standardError.write(Data((isTerminal ? "\r\u{1B}[K\(line)" : line + "\n").utf8))
    }

    /// The largest memory that this process had, and its CPU time.
    private static var used: (mebibytes: Double, seconds: Double) {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return (Double(usage.ru_maxrss) / 1024, seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }

    func finish() { if isTerminal { FileHandle.standardError.write(Data("\n".utf8)) } }
}
