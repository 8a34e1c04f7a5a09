// A decision with everything that explains it: what is answered, stored and learned from.

import Deciding
import Scaling

/// Where an application stands in its lifecycle (AWARE, USENIX ATC 2023).
public enum Stage: String, Sendable, CaseIterable { case initialized, offline, online, serving }

/// One decision. `reward` belongs to the decision before this one.
public struct Decision: Sendable, Equatable {
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
    public var controller: EpisodeSummary.Controller
    public var exploring: Bool
    public var current: Allocation
    /// What the controller wanted, before the guards.
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
