// What a guard changed and why: the part of an explanation that shows how a proposal became an answer.

import Base

/// One change by one guard to one dimension.
public struct GuardRecord: Sendable, Equatable {
    /// The guards, in the order in which they are applied (`Guards.apply`). The raw values are stored: new rules go to the end.
    public enum Rule: UInt8, Sendable, CaseIterable {
        case killSwitch, badData, limits, maxStepUp, maxStepDown, stabilization, reversalBudget, capacity, pin, pause,
            freezeDown, approval, memoryNeed, blind, objectiveMissed, unjustified, freezeUp,
            cpuNeed, surplus

        public var name: String { Self.names[Int(rawValue)] }
        /// Looked up once: a description by reflection costs as much as a whole decision.
        private static let names = allCases.map { "\($0)" }
    }

    public enum Field: UInt8, Sendable, CaseIterable {
        case replicas, cpu, memory

        public var name: String { Self.names[Int(rawValue)] }
        private static let names = allCases.map { "\($0)" }
    }

    public var rule: Rule
    public var field: Field
    /// Replicas, millicores or bytes.
    public var before: Int
    public var after: Int
    /// What the rule went by: the quality's raw value for bad data, otherwise a limit, a window or a budget.
    var figure: Int

    init(rule: Rule, field: Field, before: Int, after: Int, figure: Int) {
        self.rule = rule
        self.field = field
        self.before = before
        self.after = after
        self.figure = figure
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(rule.rawValue)
        writer.write(field.rawValue)
        writer.write(Int64(before))
        writer.write(Int64(after))
        writer.write(Int64(figure))
    }

    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        guard let rule = Rule(rawValue: try reader.integer()), let field = Field(rawValue: try reader.integer()) else {
            throw .malformed
        }
        self.init(
            rule: rule, field: field, before: Int(try reader.integer(Int64.self)),
            after: Int(try reader.integer(Int64.self)), figure: Int(try reader.integer(Int64.self)))
    }

    /// The reason in words.
    public var detail: String {
        switch rule {
        case .killSwitch: "the kill switch is on: the rules act"
        case .badData: ObservationQuality(rawValue: UInt32(truncatingIfNeeded: figure)).reasons.joined(separator: ", ")
        case .limits: "the profile's limit"
        case .maxStepUp: "at most \(figure) replicas more in one decision"
        case .maxStepDown: "at most \(figure) replicas fewer in one decision"
        case .stabilization: "the highest count asked for in the last \(figure) s"
        case .reversalBudget: "the direction changed \(figure) times within the hour"
        case .capacity: "no more is left of the total capacity"
        case .pin: "pinned"
        case .pause: "paused"
        case .freezeDown: "scaling down is frozen"
        case .memoryNeed:
            "\((figure & ~1) >> 20)Mi of memory were needed, killed for or given by the owner lately"
                + (figure & 1 == 1 ? "; oomKills was never reported, so more is kept" : "")
        case .blind: "the objective or the CPU use is not measured: a policy cannot act on that, the rules do"
        case .objectiveMissed: "nothing is taken away while the objective is missed"
        case .unjustified: "the load does not justify more than \(figure)m of CPU in all"
        case .cpuNeed where field == .cpu: "smaller replicas would be saturated: the ready ones need \(figure)m of CPU in all"
        case .cpuNeed where figure & 1 == 1: "the objective goes on being missed: less than \(figure & ~1)m of CPU in all is not enough"
        case .cpuNeed: "the present load would saturate less than \(figure)m of CPU in all"
        case .surplus where field == .memory: "no more than \(figure >> 20)Mi of memory were needed, killed for or given by the owner lately"
        case .surplus: "the load, lately or at this time of earlier days, took less than a third of what is kept: \(figure)m of CPU in all are enough"
        case .freezeUp: "scaling up is frozen"
        case .approval: "waits for a person's approval"
        }
    }
}

extension [GuardRecord] {
    /// Whether any record is of `rule`.
    public func contains(_ rule: GuardRecord.Rule) -> Bool { contains { $0.rule == rule } }
}
