// What people demand of applications: pins, modes, approvals, the kill switch. Each change with its audit entry.

import Agents
import Foundation
import GRDB
import Operations
import Scaling

extension Database {
    /// Every controlled application's demands, by application.
    public func controls() throws -> [Int64: StoredControl] {
        try pool.read { db in
            var all: [Int64: StoredControl] = [:]
            for row in try Row.fetchAll(db, sql: "SELECT *, \(RowChecksums.isSound("control")) AS isSound FROM control") {
                var control = StoredControl()
                control.mode = StoredControl.Mode(rawValue: row["mode"]) ?? .running
                control.modeReason = row["modeReason"]
                // Nobody knows what was demanded: what is there stays.
                if row["isSound"] == false {
                    control.mode = .pause
                    control.modeReason = "what was demanded is damaged in the database; set the mode again"
                }
                control.episodeEnded = row["episodeEnded"]
                if let replicas: Int = row["approvedReplicas"] {
                    control.approved = Allocation(
                        replicas: replicas, cpuMillicores: row["approvedCpu"], memoryBytes: row["approvedMemory"])
                }
                all[row["application"]] = control
            }
            for row in try Row.fetchAll(db, sql: "SELECT *, \(RowChecksums.isSound("pin")) AS isSound FROM pin") {
                guard row["isSound"] else {
                    all[row["application"], default: StoredControl()].mode = .pause
                    all[row["application"], default: StoredControl()].modeReason = "its pin is damaged in the database; set it again"
                    continue
                }
                all[row["application"], default: StoredControl()].pin = StoredControl.Pin(
                    allocation: Allocation(
                        replicas: row["replicas"], cpuMillicores: row["cpu"], memoryBytes: row["memory"]),
                    until: row["until"], reason: row["reason"], operatorName: row["actor"], created: row["created"])
            }
            return all
        }
    }

    public func killSwitch() throws -> StoredHold? {
        try pool.read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM killSwitch").map {
                StoredHold(reason: $0["reason"], operatorName: $0["actor"], created: $0["created"])
            }
        }
    }

    /// Replaces what is demanded of `application`, and says in the log and to operators who did it.
    public func set(_ control: StoredControl, of application: Int64, audit entry: AuditEntry) throws {
        try write { db in
            try db.execute(
                sql: """
                    INSERT OR REPLACE INTO control (application, mode, modeReason, approvedReplicas, approvedCpu,
                        approvedMemory, episodeEnded) VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    application, control.mode.rawValue, control.modeReason, control.approved?.replicas,
                    control.approved?.cpuMillicores, control.approved?.memoryBytes, control.episodeEnded,
                ])
            try db.execute(sql: "DELETE FROM pin WHERE application = ?", arguments: [application])
            if let pin = control.pin {
                try db.execute(
                    sql: "INSERT INTO pin (application, replicas, cpu, memory, until, reason, actor, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    arguments: [
                        application, pin.allocation.replicas, pin.allocation.cpuMillicores, pin.allocation.memoryBytes,
                        pin.until, pin.reason, pin.operatorName, pin.created,
                    ])
            }
            try Self.insert(entry, of: application, into: db)
        }
        announceEvents()
    }

    /// Turns the kill switch on, or with `nil` off.
    public func set(_ killSwitch: StoredHold?, audit entry: AuditEntry) throws {
        try write { db in
            try db.execute(sql: "DELETE FROM killSwitch")
            if let killSwitch {
                try db.execute(
                    sql: "INSERT INTO killSwitch VALUES (1, ?, ?, ?)",
                    arguments: [killSwitch.reason, killSwitch.operatorName, killSwitch.created])
            }
            try Self.insert(entry, of: nil, into: db)
        }
        announceEvents()
    }
}
