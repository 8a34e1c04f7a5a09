// An application on its way from one server to another: sealed here, and the same one there.

import Base

/// Where an application was made. It keeps it for life, so that it decides on another server as it would have here.
public struct Origin: Sendable, Equatable {
    /// The id that it had there, and that server's seed.
    public var number: Int64
    public var seed: UInt64
    /// What was added to the numbers of its decisions since then.
    public var shift: Int64

    public init(number: Int64, seed: UInt64, shift: Int64 = 0) {
        self.number = number
        self.seed = seed
        self.shift = shift
    }

    /// What its exploration is drawn from.
    var exploration: UInt64 { seed ^ UInt64(bitPattern: number) << 32 }

    /// What its learner begins with.
    var learning: UInt64 { seed &+ UInt64(bitPattern: number) &* 0x9E37_79B9_7F4A_7C15 }
}

extension Agent {
    /// Whether it is on its way to another server. What is in flight then is still committed and answered.
    public var isSealed: Bool { readState { $0.isSealed } }

    /// Lets it decide no more, or again.
    /// - Returns: the number of its last decision, which may still be on its way to the disk; `nil` when the last commit
    ///   failed and it must be loaded again.
    @discardableResult
    public func seal(_ isSealed: Bool) -> Int64? {
        changeState { state in
            state.isSealed = isSealed
            return state.isLoaded ? state.lastSeq : nil
        }
    }

    /// The number of its last decision; `nil` when it must be loaded again.
    public var lastSeqIfLoaded: Int64? { readState { $0.isLoaded ? $0.lastSeq : nil } }

    /// The id by which callers know a decision.
    public func id(of decision: borrowing Decision) -> String {
        DecisionID.text(time: decision.time, seq: decision.seq &- (origin?.shift ?? 0))
    }

    /// The decision's number in an id; `nil` for anything that is none.
    public func seq(ofID text: String) -> Int64? { DecisionID.seq(of: text).map { $0 &+ (origin?.shift ?? 0) } }

    /// The stored state of an agent with other numbers of decisions.
    /// - Parameter map: the new number; 0 for a decision that is gone.
    public static func renumbered(_ state: [UInt8], _ map: (Int64) -> Int64) throws -> [UInt8] {
        try AgentState.renumbered(state, map)
    }
}

extension AgentState {
    /// Reads as `decode` does, up to the last number.
    fileprivate static func renumbered(_ bytes: [UInt8], _ map: (Int64) -> Int64) throws -> [UInt8] {
        var (reader, result) = (ByteReader(bytes), bytes)
        func replaceNumber() throws {
            let place = reader.position
            let number: Int64 = try reader.integer()
            withUnsafeBytes(of: map(number).littleEndian) { result.replaceSubrange(place..<place + 8, with: $0) }
        }
        guard try reader.integer(UInt8.self) == format else { throw ByteReader.Failure.malformed }
        _ = try reader.integer(UInt64.self)
        try replaceNumber()
        _ = try reader.optionalDouble()
        for _ in 0..<2 where try reader.bool() { _ = try DecisionRecord.readAllocation(from: &reader) }
        _ = try reader.integer(UInt8.self)
        _ = try reader.integer(UInt32.self)
        _ = try reader.optionalDouble()
        for _ in 0..<(try reader.integer(UInt8.self)) {
            _ = try reader.string()
            try replaceNumber()
        }
        return result
    }
}
