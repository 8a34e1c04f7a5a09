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

    public init(
        cpuTarget: Double, memoryMargin: Double, cpuMillicores: Int? = nil, ofConfigured: Int? = nil, thrift: Double? = nil
    ) {
        self.thrift = thrift
        self.cpuTarget = cpuTarget
        self.memoryMargin = memoryMargin
        self.cpuMillicores = cpuMillicores
        self.ofConfigured = ofConfigured
    }

    /// As the profile's `fallback` says.
    public init(_ profile: Profile) {
        self.init(cpuTarget: profile.fallback.cpuTarget, memoryMargin: profile.fallback.memoryMargin)
    }

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
    }

    /// Reads what `encode` wrote.
    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        self.init(cpuTarget: try reader.double(), memoryMargin: try reader.double())
        guard (0...1).contains(cpuTarget), (0...10).contains(memoryMargin) else { throw .malformed }
        cpuMillicores = Int(try reader.integer(Int32.self))
        ofConfigured = Int(try reader.integer(Int32.self))
        if cpuMillicores! <= 0 { cpuMillicores = nil }
        if ofConfigured! <= 0 { ofConfigured = nil }
        thrift = try reader.optionalDouble()
        guard thrift.map({ (0...1).contains($0) }) ?? true else { throw .malformed }
    }
}

extension Rules.Options {
    /// The profile's `fallback`, or what calibration put in its place.
    ///
    /// - Parameter configuredCpu: CPU of a replica as its owner configured it, in millicores: the rules keep to it.
    public init(_ profile: Profile, _ calibration: Calibration?, configuredCpu: Int?) {
        self.init(profile)
        fixedCpu = configuredCpu
        guard profile.fallback.calibrate, let calibration else { return }
        cpuTarget = min(max(calibration.cpuTarget, profile.fallback.cpuTargetMin), profile.fallback.cpuTargetMax)
        memoryMargin = max(calibration.memoryMargin, profile.fallback.memoryMargin)
        if let size = calibration.cpuMillicores, calibration.ofConfigured == configuredCpu { fixedCpu = size }
    }
}
