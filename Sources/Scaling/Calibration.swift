// How an application's profile is carried out once its own record has told: the rules' settings, and how thrifty its policy is.

import Base

/// In place of the profile's `fallback` and `objective.savings`. It acts within the profile's limits, and only while the
/// profile allows it (`fallback.calibrate`).
public struct Calibration: Sendable, Equatable {
    /// HPA's target for CPU utilisation, 0..1.
    public var cpuTarget: Double
    /// VPA's margin over the estimated use of memory.
    public var memoryMargin: Double
    /// CPU of a replica in millicores that goes with the target, for as long as its owner configures `ofConfigured`; `nil`
    /// keeps what the owner configured.
    public var cpuMillicores: Int?
    public var ofConfigured: Int?
    /// What the policy is told in place of `BillObjective.thrift`, 0..1, so that it keeps the owner's bound on violations here,
    /// and no more than that; `nil` tells it the owner's.
    public var thrift: Double?
    /// The profile's `fallback` that it was found for: who changes that wants his own values.
    public var fallback: Profile.Fallback

    public init(
        cpuTarget: Double, memoryMargin: Double, cpuMillicores: Int? = nil, ofConfigured: Int? = nil, thrift: Double? = nil,
        fallback: Profile.Fallback = Profile.Fallback()
    ) {
        self.thrift = thrift
        self.fallback = fallback
        self.cpuTarget = cpuTarget
        self.memoryMargin = memoryMargin
        self.cpuMillicores = cpuMillicores
        self.ofConfigured = ofConfigured
    }

    /// As the profile's `fallback` says.
    public init(_ profile: Profile) {
        self.init(
            cpuTarget: profile.fallback.cpuTarget, memoryMargin: profile.fallback.memoryMargin, fallback: profile.fallback)
    }

    /// Whether it may act under `profile`.
    public func applies(to profile: Profile) -> Bool { profile.fallback.calibrate && fallback == profile.fallback }

    /// For people: `70 % of 500m, memory +15 %`.
    public var text: String {
        let size = cpuMillicores.map { " of \($0)m" } ?? ""
        let rules = "\(Int((cpuTarget * 100).rounded())) %\(size), memory +\(Int((memoryMargin * 100).rounded())) %"
        return rules + (thrift.map { ", thrift \(($0 * 1000).rounded() / 1000)" } ?? "")
    }

    /// Its byte form, within that of what it belongs to.
    public static func encode(_ calibration: Calibration?, into writer: inout ByteWriter) {
        guard let calibration else { return writer.write(Form.none.rawValue) }
        writer.write(Form.withFallback.rawValue)
        writer.write(calibration.cpuTarget)
        writer.write(calibration.memoryMargin)
        for size in [calibration.cpuMillicores, calibration.ofConfigured] { writer.write(Int32(clamping: size ?? -1)) }
        writer.write(calibration.thrift)
        let fallback = calibration.fallback
        for value in [fallback.cpuTarget, fallback.memoryMargin, fallback.cpuTargetMin, fallback.cpuTargetMax] { writer.write(value) }
    }

    /// Reads what `encode` wrote, now or before.
    public static func decode(from reader: inout ByteReader) throws(ByteReader.Failure) -> Calibration? {
        guard let form = Form(rawValue: try reader.integer(UInt8.self)) else { throw .malformed }
        guard form != .none else { return nil }
        var found = Calibration(cpuTarget: try reader.double(), memoryMargin: try reader.double())
        guard (0...1).contains(found.cpuTarget), (0...10).contains(found.memoryMargin) else { throw .malformed }
        let (size, configured) = (Int(try reader.integer(Int32.self)), Int(try reader.integer(Int32.self)))
        (found.cpuMillicores, found.ofConfigured) = (size > 0 ? size : nil, configured > 0 ? configured : nil)
        found.thrift = try reader.optionalDouble()
        guard found.thrift.map({ (0...1).contains($0) }) ?? true else { throw .malformed }
        // Nobody knows for which fallback it was found: the next search finds another.
        guard form == .withFallback else { return nil }
        found.fallback.cpuTarget = try reader.double()
        found.fallback.memoryMargin = try reader.double()
        found.fallback.cpuTargetMin = try reader.double()
        found.fallback.cpuTargetMax = try reader.double()
        return found
    }

    /// What stands first: no calibration, one of before it named its fallback, or one that does.
    private enum Form: UInt8 { case none, withoutFallback, withFallback }
}

extension Rules.Options {
    /// The profile's `fallback`, or what calibration put in its place.
    ///
    /// - Parameter configuredCpu: CPU of a replica as its owner configured it, in millicores: the rules keep to it.
    public init(_ profile: Profile, _ calibration: Calibration?, configuredCpu: Int?) {
        self.init(profile)
        fixedCpu = configuredCpu
        guard let calibration, calibration.applies(to: profile) else { return }
        cpuTarget = calibration.cpuTarget
        memoryMargin = calibration.memoryMargin
        if let size = calibration.cpuMillicores, calibration.ofConfigured == configuredCpu { fixedCpu = size }
    }
}
