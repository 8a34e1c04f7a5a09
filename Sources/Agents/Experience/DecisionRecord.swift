// The byte form of a decision in the database: compact, versioned, with a checksum at its end.

import Base
import Deciding
import Scaling

public enum DecisionRecord {
    /// 1 had a checksum over the record alone; 2 also covers the columns beside it.
    private static let version: UInt8 = 2

    public enum Failure: Error, Equatable { case checksum, version(UInt8), malformed }

    /// Everything but the table's own columns (seq, application, previous, time, episode, step, reward).
    public static func encode(_ decision: borrowing Decision) -> [UInt8] {
        var writer = ByteWriter(reserving: 640)
        writer.write(version)
        writer.write(decision.clientID ?? "")
        write(decision.observation, to: &writer)
        writer.write(UInt8(Stage.allCases.firstIndex(of: decision.stage) ?? 0))
        writer.write(UInt8(Source.allCases.firstIndex(of: decision.source) ?? 0))
        writer.write(UInt32(clamping: decision.modelVersion))
        writer.write(UInt8(EpisodeSummary.Controller.allCases.firstIndex(of: decision.controller) ?? 0))
        writer.write(decision.exploring)
        write(decision.current, to: &writer)
        write(decision.proposed, to: &writer)
        write(decision.desired, to: &writer)
        write(decision.rules, to: &writer)
        writer.write(decision.reason.rawValue)
        writer.write(decision.policy != nil)
        if let policy = decision.policy {
            write(policy.allocation, to: &writer)
            writer.write(policy.probability)
            writer.write(policy.value)
        }
        writer.write(UInt8(clamping: decision.guards.count))
        for note in decision.guards.prefix(255) {
            note.encode(into: &writer)
        }
        writer.write(UInt8(clamping: decision.warnings.count))
        for warning in decision.warnings.prefix(255) { writer.write(warning) }
        let experience = decision.experience
        writer.write(experience.state)
        writer.write(experience.mask)
        writer.write(UInt8(experience.action.count))
        for head in 0..<experience.action.count { writer.write(UInt8(experience.action[head])) }
        writer.write(experience.logProbability)
        writer.write(experience.value)
        writer.write(experience.memory)
        writer.write(
            checksum(
                writer.written,
                columns(
                    seq: decision.seq, application: decision.application, previous: decision.previous, time: decision.time,
                    episode: decision.episode, step: decision.step, reward: decision.reward)))
        return writer.bytes
    }

    /// Completes a decision from its columns and its record.
    public static func decode(
        _ bytes: [UInt8], seq: Int64, application: Int64, previous: Int64, time: Double, episode: Int, step: Int,
        reward: Double?
    ) throws -> Decision {
        guard bytes.count > 4 else { throw Failure.malformed }
        var tail = ByteReader(Array(bytes.suffix(4)))
        let beside = bytes[0] == 1 ? [] : columns(
            seq: seq, application: application, previous: previous, time: time, episode: episode, step: step, reward: reward)
        let sum = bytes.withUnsafeBytes { checksum(UnsafeRawBufferPointer(rebasing: $0.dropLast(4)), beside) }
        guard try tail.integer(UInt32.self) == sum else { throw Failure.checksum }
        var reader = ByteReader(bytes)
        let found = try reader.integer(UInt8.self)
        guard found == 1 || found == version else { throw Failure.version(found) }
        let clientID = try reader.string()
        let observation = try readObservation(from: &reader)
        let stage = Int(try reader.integer(UInt8.self))
        let source = Int(try reader.integer(UInt8.self))
        let modelVersion = Int(try reader.integer(UInt32.self))
        let controller = Int(try reader.integer(UInt8.self))
        guard stage < Stage.allCases.count, source < Source.allCases.count, controller < EpisodeSummary.Controller.allCases.count
        else { throw Failure.malformed }
        let exploring = try reader.bool()
        let current = try readAllocation(from: &reader)
        let proposed = try readAllocation(from: &reader)
        let desired = try readAllocation(from: &reader)
        let rules = try readAllocation(from: &reader)
        guard let reason = DecisionReason(rawValue: try reader.string()) else { throw Failure.malformed }
        var policy: Proposal?
        if try reader.bool() {
            policy = Proposal(
                allocation: try readAllocation(from: &reader), probability: try reader.double(),
                value: try reader.double())
        }
        let guards = try (0..<(try reader.integer(UInt8.self))).map { _ in try GuardRecord(from: &reader) }
        let warnings = try (0..<(try reader.integer(UInt8.self))).map { _ in try reader.string() }
        let state = try reader.floats()
        let mask = try reader.integer(UInt32.self)
        let choices = try (0..<(try reader.integer(UInt8.self))).map { _ in Int(try reader.integer(UInt8.self)) }
        let experience = Experience(
            state: state, mask: mask, action: Action(choices), logProbability: try reader.float(),
            value: try reader.float(), memory: try reader.floats())
        return Decision(
            seq: seq, clientID: clientID.isEmpty ? nil : clientID, application: application, previous: previous,
            time: time, episode: episode, step: step, observation: observation, stage: Stage.allCases[stage],
            source: Source.allCases[source],
            modelVersion: modelVersion, controller: EpisodeSummary.Controller.allCases[controller],
            exploring: exploring, current: current, proposed: proposed, desired: desired, reason: reason,
            reward: reward, policy: policy, rules: rules, guards: guards, warnings: warnings, experience: experience)
    }

    /// The record of a decision that got other numbers in its columns.
    /// - Throws: `checksum` when the record does not fit them.
    public static func renumbered(
        _ bytes: [UInt8], time: Double, episode: Int, step: Int, reward: Double?,
        from old: (seq: Int64, application: Int64, previous: Int64), to new: (seq: Int64, application: Int64, previous: Int64)
    ) throws -> [UInt8] {
        guard bytes.count > 4 else { throw Failure.malformed }
        func sum(_ numbers: (seq: Int64, application: Int64, previous: Int64)) -> UInt32 {
            let beside = bytes[0] == 1 ? [] : columns(
                seq: numbers.seq, application: numbers.application, previous: numbers.previous, time: time, episode: episode,
                step: step, reward: reward)
            return bytes.withUnsafeBytes { checksum(UnsafeRawBufferPointer(rebasing: $0.dropLast(4)), beside) }
        }
        var tail = ByteReader(Array(bytes.suffix(4)))
        guard try tail.integer(UInt32.self) == sum(old) else { throw Failure.checksum }
        return bytes.dropLast(4) + withUnsafeBytes(of: sum(new).littleEndian) { Array($0) }
    }

    // MARK: Parts

    static func write(_ allocation: Allocation, to writer: inout ByteWriter) {
        writer.write(Int32(clamping: allocation.replicas))
        writer.write(Int32(clamping: allocation.cpuMillicores))
        writer.write(Int64(allocation.memoryBytes))
    }

    static func readAllocation(from reader: inout ByteReader) throws -> Allocation {
        Allocation(
            replicas: Int(try reader.integer(Int32.self)), cpuMillicores: Int(try reader.integer(Int32.self)),
            memoryBytes: Int(try reader.integer(Int64.self)))
    }

    /// Bits that say which optional fields of an observation follow, in this order.
    private enum Present {
        static let rollout: UInt32 = 1 << 29
        static let applied: UInt32 = 1 << 30
        static let done: UInt32 = 1 << 31
    }

    /// A bit for every optional field that is there, then those fields.
    static func write(_ observation: Observation, to writer: inout ByteWriter) {
        var present: UInt32 = 0
        if observation.cpuUtilization != nil { present |= 1 << 0 }
        if observation.memoryUtilization != nil { present |= 1 << 1 }
        if observation.latencySeconds != nil { present |= 1 << 2 }
        if observation.sloPreservation != nil { present |= 1 << 3 }
        if observation.requestRate != nil { present |= 1 << 4 }
        if observation.throughput != nil { present |= 1 << 5 }
        if observation.networkUtilization != nil { present |= 1 << 6 }
        if observation.ioUtilization != nil { present |= 1 << 7 }
        if observation.throttledRatio != nil { present |= 1 << 8 }
        if observation.time != nil { present |= 1 << 9 }
        if observation.reward != nil { present |= 1 << 10 }
        if observation.cpuMillicores != nil { present |= 1 << 11 }
        if observation.memoryBytes != nil { present |= 1 << 12 }
        if observation.readyReplicas != nil { present |= 1 << 13 }
        if observation.oomKills != nil { present |= 1 << 14 }
        if observation.memoryPeakUtilization != nil { present |= 1 << 15 }
        if observation.memoryPressure != nil { present |= 1 << 16 }
        if observation.existingReplicas != nil { present |= 1 << 17 }
        if observation.rolloutInProgress { present |= Present.rollout }
        if observation.applied { present |= Present.applied }
        if observation.done { present |= Present.done }
        writer.write(present)
        writer.write(Int32(clamping: observation.replicas))
        if let value = observation.cpuUtilization { writer.write(value) }
        if let value = observation.memoryUtilization { writer.write(value) }
        if let value = observation.latencySeconds { writer.write(value) }
        if let value = observation.sloPreservation { writer.write(value) }
        if let value = observation.requestRate { writer.write(value) }
        if let value = observation.throughput { writer.write(value) }
        if let value = observation.networkUtilization { writer.write(value) }
        if let value = observation.ioUtilization { writer.write(value) }
        if let value = observation.throttledRatio { writer.write(value) }
        if let value = observation.time { writer.write(value) }
        if let value = observation.reward { writer.write(value) }
        if let value = observation.cpuMillicores { writer.write(Int64(value)) }
        if let value = observation.memoryBytes { writer.write(Int64(value)) }
        if let value = observation.readyReplicas { writer.write(Int64(value)) }
        if let value = observation.oomKills { writer.write(Int64(value)) }
        if let value = observation.memoryPeakUtilization { writer.write(value) }
        if let value = observation.memoryPressure { writer.write(value) }
        if let value = observation.existingReplicas { writer.write(Int64(value)) }
    }

    static func readObservation(from reader: inout ByteReader) throws -> Observation {
        let present = try reader.integer(UInt32.self)
        var observation = Observation(replicas: Int(try reader.integer(Int32.self)))
        observation.applied = present & Present.applied != 0
        observation.done = present & Present.done != 0
        func number(_ bit: UInt32) throws -> Double? { present & 1 << bit != 0 ? try reader.double() : nil }
        func integer(_ bit: UInt32) throws -> Int? {
            present & 1 << bit != 0 ? Int(try reader.integer(Int64.self)) : nil
        }
        observation.cpuUtilization = try number(0)
        observation.memoryUtilization = try number(1)
        observation.latencySeconds = try number(2)
        observation.sloPreservation = try number(3)
        observation.requestRate = try number(4)
        observation.throughput = try number(5)
        observation.networkUtilization = try number(6)
        observation.ioUtilization = try number(7)
        observation.throttledRatio = try number(8)
        observation.time = try number(9)
        observation.reward = try number(10)
        observation.cpuMillicores = try integer(11)
        observation.memoryBytes = try integer(12)
        observation.readyReplicas = try integer(13)
        observation.oomKills = try integer(14)
        observation.memoryPeakUtilization = try number(15)
        observation.memoryPressure = try number(16)
        observation.existingReplicas = try integer(17)
        observation.rolloutInProgress = present & Present.rollout != 0
        return observation
    }

    private static func columns(
        seq: Int64, application: Int64, previous: Int64, time: Double, episode: Int, step: Int, reward: Double?
    ) -> [UInt64] {
        [
            UInt64(bitPattern: seq), UInt64(bitPattern: application), UInt64(bitPattern: previous), time.bitPattern,
            UInt64(bitPattern: Int64(episode)), UInt64(bitPattern: Int64(step)), reward?.bitPattern ?? 1,
        ]
    }

    /// A multiplicative hash over words of eight bytes: it is there to notice bit rot, not an attacker.
    private static func checksum(_ bytes: UnsafeRawBufferPointer, _ words: [UInt64]) -> UInt32 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ UInt64(bytes.count)
        var offset = 0
        while offset + 8 <= bytes.count {
            hash = (hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
            offset += 8
        }
        while offset < bytes.count {
            hash = (hash ^ UInt64(bytes[offset])) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
            offset += 1
        }
        for word in words {
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
        }
        return UInt32(truncatingIfNeeded: hash)
    }
}
