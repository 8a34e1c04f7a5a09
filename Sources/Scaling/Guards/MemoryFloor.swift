// How much memory an application has shown to need: peaks and kills of five weeks, and what its owner gave it.
//
// An OOM kill costs far more than the memory that would have prevented it, and a reward hardly shows it: so it is kept
// from happening by rule, for whoever acts. Weekly and fortnightly jobs are why a day's memory is not enough.

import Base
import Glibc

/// Bytes of one replica's limit that must not be undercut, and that must be given at once.
public struct MemoryNeed: Sendable, Equatable {
    /// No cut leads below this; a limit that is already lower may stay.
    public var keep: Int
    /// The limit is raised to this at once.
    public var raise: Int
    /// Nobody ever reported whether replicas are killed, so that more is kept on suspicion.
    public var isSuspicious = false

    public static let none = MemoryNeed(keep: 0, raise: 0)

    public init(keep: Int, raise: Int) {
        self.keep = keep
        self.raise = raise
    }
}

/// The memory of one application (about 0.3 KB). MiB inside.
public struct MemoryFloor: Sendable {
    /// Days that are remembered: five weeks and one day.
    public static let days = 36
    private static let daySeconds = 86_400.0
    /// Over a day's peak where the highest replica is reported, and where only a mean over replicas is. It fades towards
    /// `oldMargin` with the age of the peak.
    static let margins = (peak: 1.15, mean: 1.25, old: 1.05)
    /// Over the highest use as long as nobody has reported kills, zeros included.
    static let unknownKillsMargin = 1.3
    /// The limit is raised before the use reaches it by so much, and then by a little more than needed, so that a slow leak
    /// does not resize every few minutes.
    static let raiseFrom = 1.08
    static let raiseBy = 1.1
    /// VPA's bump after a kill: the larger of 100 MiB more and a fifth more.
    static let bump = (mebibytes: 100.0, ratio: 1.2)
    /// Reports of kills raise the limit to at most so many times the highest use: beyond it they are not about the limit
    /// (kubernetes/autoscaler#1182).
    static let killedMax = 4.0
    /// One decision raises the limit by at most this factor without a kill.
    static let growthMax = 1.5

    private var peaks = [Float](repeating: 0, count: Self.days)
    private var kills = [Float](repeating: 0, count: Self.days)
    /// The day, counted from 1970, that stands in slot `day % days`; `nil` before the first observation.
    private var day: Int?
    private var ownerLimit = 0.0
    private var ownerSince = 0.0
    private var reportsKills = false
    private var reportsPeaks = false
    /// Of the last observation.
    private var limit = 0.0
    private var used: Double?
    private var isKilling = false

    public init() {}

    /// Takes in what a replica used and whether any was killed.
    ///
    /// - Parameters:
    ///   - limit: bytes that a replica has.
    ///   - isOwners: the limit is what its owner set: at first contact, or after a change by hand.
    ///   - time: seconds since 1970.
    public mutating func observe(_ observation: Observation, limit bytes: Int, isOwners: Bool, time: Double) {
        guard let now = Int(exactly: (time / Self.daySeconds).rounded(.down)), bytes > 0 else { return }
        advance(to: now)
        limit = Double(bytes) / 1_048_576
        if isOwners || ownerLimit == 0 { adopt(limit, at: time) }
        if observation.oomKills != nil { reportsKills = true }
        if observation.memoryPeakUtilization != nil { reportsPeaks = true }
        let share = observation.memoryUtilization.map { max($0, observation.memoryPeakUtilization ?? 0) }
            ?? observation.memoryPeakUtilization
        used = share.map { $0 * limit }
        let slot = slot(now)
        if let used { peaks[slot] = max(peaks[slot], Float(min(used, 1e9))) }
        isKilling = (observation.oomKills ?? 0) > 0
        if isKilling {
            let bumped = max(limit + Self.bump.mebibytes, limit * Self.bump.ratio)
            kills[slot] = max(kills[slot], Float(min(bumped, killedBound)))
        }
    }

    /// The owner's limit counts as evidence of its own for a day. A lower one than before says that the application needs
    /// less now: what was seen before it counts no higher.
    private mutating func adopt(_ limit: Double, at time: Double) {
        if limit < ownerLimit {
            let most = Float(limit / Self.unknownKillsMargin)
            for index in peaks.indices {
                peaks[index] = min(peaks[index], most)
                kills[index] = min(kills[index], Float(limit))
            }
        }
        ownerLimit = limit
        ownerSince = time
    }

    private func slot(_ day: Int) -> Int { ((day % Self.days) + Self.days) % Self.days }

    /// Forgets days that are older than five weeks. A clock that was set back keeps what there is.
    private mutating func advance(to now: Int) {
        defer { day = max(now, day ?? now) }
        guard let day, now > day else { return }
        for passed in 1...min(now - day, Self.days) {
            peaks[slot(day + passed)] = 0
            kills[slot(day + passed)] = 0
        }
    }

    /// The highest use of five weeks.
    private var highestUse: Double { Double(peaks.max() ?? 0) }

    /// MiB beyond which reports of kills are not believed to be about the limit.
    private var killedBound: Double { max(Self.killedMax * max(highestUse, ownerLimit / Self.killedMax), ownerLimit) }

    /// The same in bytes, for the rules' own bump; `nil` before anything was seen.
    public var killedMaxBytes: Double? { day == nil ? nil : killedBound * 1_048_576 }

    /// What peaks and kills of five weeks ask for, in MiB.
    private var evidence: Double {
        guard let day else { return 0 }
        let margin = !reportsKills ? Self.unknownKillsMargin : reportsPeaks ? Self.margins.peak : Self.margins.mean
        let fading = reportsKills ? (margin - Self.margins.old) / Double(Self.days) : 0
        var slot = slot(day)
        var most = 0.0
        for age in 0..<Self.days {
            if peaks[slot] > 0 { most = max(most, Double(peaks[slot]) * (margin - fading * Double(age))) }
            if kills[slot] > 0 { most = max(most, Double(kills[slot])) }
            slot = slot == 0 ? Self.days - 1 : slot - 1
        }
        return most
    }

    /// What is needed as of the last observation, at `time` in seconds.
    public func need(at time: Double) -> MemoryNeed {
        guard day != nil else { return .none }
        let evidence = evidence
        var raise = 0.0
        if isKilling {
            // Who was killed below what its owner had given gets that back.
            let bumped = min(max(limit + Self.bump.mebibytes, limit * Self.bump.ratio), killedBound)
            raise = max(bumped, limit < ownerLimit ? ownerLimit : 0)
        } else if let used, used * Self.raiseFrom > limit {
            raise = min(max(evidence, used * Self.margins.peak) * Self.raiseBy, limit * Self.growthMax)
        }
        // Where nobody ever measured the use, its owner is all there is to go by.
        let share = evidence > 0 ? ownersShare(at: time) : 1
        var need = MemoryNeed(
            keep: Self.bytes(evidence + max(0, ownerLimit - evidence) * share), raise: raise > limit ? Self.bytes(raise) : 0)
        need.isSuspicious = !reportsKills
        return need
    }

    /// How much of what its owner gave beyond the evidence is kept: all of it on the first day, half of it on the second, a quarter on
    /// the third. The first quiet day of an application does not tell what its first busy one takes.
    private func ownersShare(at time: Double) -> Double {
        let days = max(0, (time - ownerSince) / Self.daySeconds).rounded(.down)
        return days < Self.ownersDays ? exp2(-days) : 0
    }

    private static let ownersDays = 5.0

    private static func bytes(_ mebibytes: Double) -> Int { Int(min(max(mebibytes, 0), 1e9).rounded(.up)) << 20 }

    // MARK: Stored form

    private static let version: UInt8 = 1

    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        writer.write(day != nil)
        writer.write(Int64(day ?? 0))
        for value in peaks + kills { writer.write(value) }
        for value in [ownerLimit, ownerSince, limit, used ?? .nan] { writer.write(value) }
        for flag in [reportsKills, reportsPeaks, isKilling] { writer.write(flag) }
    }

    /// - Throws: `ByteReader.Failure` on anything that `encode` cannot have written.
    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        guard try reader.integer(UInt8.self) == Self.version else { throw .malformed }
        let hasDay = try reader.bool()
        let stored = Int(try reader.integer(Int64.self))
        day = hasDay ? stored : nil
        for index in peaks.indices { peaks[index] = try Self.finite(&reader) }
        for index in kills.indices { kills[index] = try Self.finite(&reader) }
        ownerLimit = try reader.double()
        ownerSince = try reader.double()
        limit = try reader.double()
        let used = try reader.double()
        self.used = used.isNaN ? nil : used
        reportsKills = try reader.bool()
        reportsPeaks = try reader.bool()
        isKilling = try reader.bool()
        guard abs(stored) < 1 << 40, ownerLimit.isFinite, ownerSince.isFinite, limit.isFinite else { throw .malformed }
    }

    private static func finite(_ reader: inout ByteReader) throws(ByteReader.Failure) -> Float {
        let value = try reader.float()
        guard value.isFinite, value >= 0 else { throw .malformed }
        return value
    }
}
