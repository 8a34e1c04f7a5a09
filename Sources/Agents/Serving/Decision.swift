// A decision with everything that explains it: what is answered, stored and learned from.

import Scaling

/// Who determined the answer.
public enum Source: String, Sendable, CaseIterable {
    case policy, rules, hold, pin

    /// Position in `allCases`.
    public var index: Int {
        switch self {
        case .policy: 0
        case .rules: 1
        case .hold: 2
        case .pin: 3
        }
    }
}

/// Where an application stands in its lifecycle (PAPER 1.11).
public enum Stage: String, Sendable, CaseIterable { case initialized, offline, online, serving }

/// One decision. `reward` belongs to the decision before this one.
public struct Decision: Sendable, Equatable {
    /// What the policy wanted before any guard.
    public struct Proposal: Sendable, Equatable {
        public var allocation: Allocation
        /// Probability of the chosen combination of actions.
        public var probability: Double
        /// The critic's estimate of the discounted return.
        public var value: Double

        public init(allocation: Allocation, probability: Double, value: Double) {
            self.allocation = allocation
            self.probability = probability
            self.value = value
        }
    }

    /// What learning needs of the step.
    public struct Experience: Sendable, Equatable {
        /// The state vector, `StateEncoder.count` values.
        public var state: [Float]
        /// A bit for every choice of all heads, the first one lowest: 1 where it was legal.
        public var mask: UInt32
        /// Chosen index of every head; when the rules acted, the nearest choices to what they did.
        public var action: Action
        /// Log-probability of `action` under the acting policy; 0 when the rules acted.
        public var logProbability: Float
        public var value: Float
        /// Hidden state of a recurrent policy before this step; empty for a feed-forward one.
        public var memory: [Float]

        public init(
            state: [Float], mask: UInt32, action: Action, logProbability: Float, value: Float, memory: [Float]
        ) {
            self.state = state
            self.mask = mask
            self.action = action
            self.logProbability = logProbability
            self.value = value
            self.memory = memory
        }

        /// The mask as one byte a choice, the form that policies and learning read.
        public func maskBytes(count: Int) -> [UInt8] { (0..<count).map { UInt8(mask >> UInt32($0) & 1) } }
    }

    public var seq: Int64
    /// The client's own id for it, by which a repeated request is recognised.
    public var clientID: String?
    public var application: Int64
    /// `seq` of the application's decision before this one, 0 for the first.
    public var previous: Int64
    /// Seconds since 1970.
    public var time: Double
    public var episode: Int
    public var step: Int
    public var observation: Observation
    public var stage: Stage
    public var source: Source
    public var modelVersion: Int
    /// Who is on duty in this episode; `source` is who had the last word in this step.
    public var actor: EpisodeSummary.Actor
    public var exploring: Bool
    public var current: Allocation
    /// What the actor wanted, before the guards.
    public var proposed: Allocation
    public var desired: Allocation
    public var reason: DecisionReason
    public var reward: Double?
    public var policy: Proposal?
    public var rules: Allocation
    public var guards: [GuardRecord]
    public var warnings: [String]
    public var experience: Experience
}

/// The id of a decision: 26 characters in the alphabet of a ULID, sortable by time, that lead back to `seq`.
public enum DecisionID {
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    public static let length = 26

    /// 48 bits of milliseconds, then 80 bits that hold `seq`; into at least `length` bytes.
    public static func write(time: Double, seq: Int64, into buffer: UnsafeMutableBufferPointer<UInt8>) {
        let milliseconds = UInt64(Swift.max(0, Swift.min(time * 1000, 281_474_976_710_655)))
        let low = UInt64(bitPattern: seq)
        alphabet.withUnsafeBufferPointer { alphabet in
            for i in 0..<10 { buffer[i] = alphabet[Int(milliseconds >> UInt64(5 * (9 - i)) & 31)] }
            for i in 0..<16 { buffer[10 + i] = alphabet[i < 3 ? 0 : Int(low >> UInt64(5 * (15 - i)) & 31)] }
        }
    }

    public static func text(time: Double, seq: Int64) -> String {
        String(unsafeUninitializedCapacity: length) { buffer in
            write(time: time, seq: seq, into: buffer)
            return length
        }
    }

    /// The `seq` inside an id, `nil` for anything that `text` cannot have made.
    public static func seq(of text: String) -> Int64? {
        let utf8 = Array(text.utf8)
        guard utf8.count == 26 else { return nil }
        var seq: UInt64 = 0
        for (i, byte) in utf8.enumerated() {
            guard let digit = alphabet.firstIndex(of: byte) else { return nil }
            guard i >= 10 else { continue }
            guard i >= 13 || digit == 0 else { return nil }
            seq = seq << 5 | UInt64(digit)
        }
        return Int64(exactly: seq)
    }
}
