// Why a command cannot go on: one line that says what, where and what is allowed, and exit status 1.

import Foundation

struct CommandFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Where a command writes its plots; made, and tried, before any work begins.
enum PlotFolder {
    static func prepare(_ path: String?) throws {
        guard let path else { return }
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure("--plot \(path): the folder cannot be made (\((error as NSError).localizedDescription)). Give one that can be written.")
        }
        guard FileManager.default.isWritableFile(atPath: path) else {
            throw CommandFailure("--plot \(path): the folder cannot be written.")
        }
    }
}
