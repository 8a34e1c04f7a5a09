// Copies of a database: made while a server writes to it, checked before they count.

import Foundation
import GRDB
import GRDBSQLite

public enum Backup {
    public enum Failure: Error, CustomStringConvertible {
        case missing(String)
        case exists(String)
        case damaged(String, [String])
        case inUse(String)
        case notOurs(String)
        case unwritable(String)

        public var description: String {
            switch self {
            case .missing(let path): "There is no database \(path)."
            case .exists(let path): "\(path) exists already. Give a name that is free."
            case .damaged(let path, let what): "\(path) is damaged:\n" + what.map { "  " + $0 }.joined(separator: "\n")
            case .inUse(let folder): "A server uses \(folder). Stop it first."
            case .notOurs(let path): "\(path) is no database of aware."
            case .unwritable(let path): "\(path) cannot be written. Give a file in a folder that exists and can be written."
            }
        }
    }

    /// Copies the database of a data folder to `file` as of one instant, beside a server that may go on writing.
    ///
    /// - Returns: the number of decisions in the copy.
    /// - Throws: `Failure` when there is none, when `file` exists, or when the copy does not stand the check (it is then
    ///   removed).
    public static func make(of folder: String, to file: String) throws -> Int {
        let source = folder + "/aware.sqlite"
        guard FileManager.default.fileExists(atPath: source) else { throw Failure.missing(source) }
        guard !FileManager.default.fileExists(atPath: file) else { throw Failure.exists(file) }
        let unfinished = file + ".unfinished"
        guard FileManager.default.createFile(atPath: unfinished, contents: nil) else { throw Failure.unwritable(file) }
        try? FileManager.default.removeItem(atPath: unfinished)
        defer { try? FileManager.default.removeItem(atPath: unfinished) }
        do {
            let queue = try DatabaseQueue(path: source, configuration: Doctor.configuration(readonly: true))
            defer { try? queue.close() }
            try queue.inDatabase { try $0.execute(sql: "VACUUM INTO ?", arguments: [unfinished]) }
        }
        let findings = try Doctor.findings(in: unfinished)
        guard findings.damage.isEmpty else { throw Failure.damaged(source, findings.damage) }
        // On the disk before it has its name.
        let descriptor = open(unfinished, O_RDONLY)
        defer { close(descriptor) }
        guard fsync(descriptor) == 0, rename(unfinished, file) == 0 else {
            throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: file])
        }
        return findings.decisions
    }

    /// Puts a backup in the place of a folder's database. What was there is kept under another name.
    ///
    /// - Returns: where the old database is now, `nil` when there was none; and the number of decisions.
    public static func restore(_ file: String, to folder: String) throws -> (old: String?, decisions: Int) {
        guard FileManager.default.fileExists(atPath: file) else { throw Failure.missing(file) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let lock = open(folder + "/lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        defer { close(lock) }
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else { throw Failure.inUse(folder) }
        let unfinished = folder + "/aware.sqlite.unfinished"
        try? FileManager.default.removeItem(atPath: unfinished)
        try FileManager.default.copyItem(atPath: file, toPath: unfinished)
        defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: unfinished + end) } }
        let findings = try Doctor.findings(in: unfinished)
        guard findings.damage.isEmpty else { throw Failure.damaged(file, findings.damage) }
        let path = folder + "/aware.sqlite"
        var old: String?
        if FileManager.default.fileExists(atPath: path) {
            var name = path + ".before-restore-\(Int(Date().timeIntervalSince1970))"
            // Two within a second are two.
            while FileManager.default.fileExists(atPath: name) { name += "-" }
            for end in ["", "-wal"] where FileManager.default.fileExists(atPath: path + end) {
                try FileManager.default.moveItem(atPath: path + end, toPath: name + end)
            }
            try? FileManager.default.removeItem(atPath: path + "-shm")
            old = name
        }
        // The mark stays: the next start tells what was answered since the backup, and goes on behind those numbers.
        guard rename(unfinished, path) == 0 else {
            throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: path])
        }
        return (old, findings.decisions)
    }
}
