// What the guards remember of one application: counts asked for, and changes of direction within the hour.

import Base

/// The memory of the guards (about 0.5 KB).
public struct GuardState: Sendable {
    var requested = SlidingMaximum()
    /// Changes of direction per minute of the last hour, by minute modulo 60.
    private var reversals = InlineArray<60, UInt8>(repeating: 0)
    private var minute = 0
    /// Sum of `reversals`.
    private(set) var reversalsInHour = 0
    /// The direction of the last change of replicas: 1 up, -1 down, 0 none yet.
    private(set) var direction: Int8 = 0
    /// The last answer: what to go by when an observed count is not believed.
    private(set) var answered: Allocation?

    public init() {}

    /// Forgets minutes that lie an hour back. A clock that was set back leaves the counts as they are, by more than an
    /// hour clears them.
    mutating func advance(to time: Double) {
        guard let now = Int(exactly: (time / 60).rounded(.down)), now != minute else { return }
        if now < minute, minute - now < 60 { return }
        if now - minute >= 60 || now < minute {
            reversals = InlineArray<60, UInt8>(repeating: 0)
            reversalsInHour = 0
        } else {
            for passed in (minute + 1)...now {
                let slot = Self.slot(passed)
                reversalsInHour -= Int(reversals[slot])
                reversals[slot] = 0
            }
        }
        minute = now
    }

    private static func slot(_ minute: Int) -> Int { ((minute % 60) + 60) % 60 }

    /// Notes the answer that leaves, at the time last advanced to.
    mutating func note(_ answer: Allocation, from current: Allocation) {
        answered = answer
        let change = (answer.replicas - current.replicas).signum()
        guard change != 0 else { return }
        let slot = Self.slot(minute)
        if direction != 0, Int8(change) != direction, reversals[slot] < .max {
            reversals[slot] += 1
            reversalsInHour += 1
        }
        direction = Int8(change)
    }

    private static let version: UInt8 = 1

    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        requested.encode(into: &writer)
        for index in reversals.indices { writer.write(reversals[index]) }
        writer.write(Int64(minute))
        writer.write(direction)
        writer.write(answered != nil)
        if let answered {
            writer.write(Int64(answered.replicas))
            writer.write(Int64(answered.cpuMillicores))
            writer.write(Int64(answered.memoryBytes))
        }
    }

    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        guard try reader.integer(UInt8.self) == Self.version else { throw .malformed }
        requested = try SlidingMaximum(from: &reader)
        for index in reversals.indices {
            reversals[index] = try reader.integer()
            reversalsInHour += Int(reversals[index])
        }
        minute = Int(try reader.integer(Int64.self))
        direction = try reader.integer()
        guard abs(minute) < 1 << 48, (-1...1).contains(direction) else { throw .malformed }
        if try reader.bool() {
            answered = Allocation(
                replicas: Int(try reader.integer(Int64.self)), cpuMillicores: Int(try reader.integer(Int64.self)),
                memoryBytes: Int(try reader.integer(Int64.self)))
        }
    }
}
