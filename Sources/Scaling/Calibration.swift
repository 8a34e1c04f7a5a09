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

    public func encode(into writer: inout ByteWriter) {
        writer.write(cpuTarget)
        writer.write(memoryMargin)
        for size in [cpuMillicores, ofConfigured] { writer.write(Int32(clamping: size ?? -1)) }
        writer.write(thrift)
        for value in [fallback.cpuTarget, fallback.memoryMargin, fallback.cpuTargetMin, fallback.cpuTargetMax] { writer.write(value) }
    }

    /// Reads what `encode` wrote.
    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        self.init(cpuTarget: try reader.double(), memoryMargin: try reader.double())
        guard (0...1).contains(cpuTarget), (0...10).contains(memoryMargin) else { throw .malformed }
        let (size, configured) = (Int(try reader.integer(Int32.self)), Int(try reader.integer(Int32.self)))
        (cpuMillicores, ofConfigured) = (size > 0 ? size : nil, configured > 0 ? configured : nil)
        thrift = try reader.optionalDouble()
        guard thrift.map({ (0...1).contains($0) }) ?? true else { throw .malformed }
        fallback.cpuTarget = try reader.double()
        fallback.memoryMargin = try reader.double()
        fallback.cpuTargetMin = try reader.double()
        fallback.cpuTargetMax = try reader.double()
    }
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
