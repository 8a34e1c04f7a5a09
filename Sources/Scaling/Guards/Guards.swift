// The guards between whoever proposes and what is answered: pure, in a fixed order, each change recorded.
//
// Order and precedence: the kill switch, and a policy that cannot see, put the rules' wish in place of the proposal; then
// bad data, limits, a missed objective, memory need, surplus, what the load can justify, step, stabilisation, reversal budget and
// capacity restrain it; then people override it: a pin, above it a pause; without either, an application that needs
// approval keeps what was approved last; above all of them freezes. Whatever came of it is brought within the limits at
// the very end: an answer outside cannot exist, but for an application that somebody switched off.

/// What people demand of one application (or, for the kill switch, of all).
public struct Controls: Sendable, Equatable {
    /// Answer this, whatever is observed.
    public var pin: Allocation?
    /// Until this time in seconds, on a clock that nobody sets; `nil` is for good.
    public var pinUntil: Double?
    /// Answer what is there.
    public var paused = false
    /// Never take anything away.
    public var freezeDown = false
    /// Never give more.
    public var freezeUp = false
    /// The rules act.
    public var killSwitch = false
    /// With `actuation: approve`, what a person approved last; `nil` holds what is there.
    public var approved: Allocation?
    /// The running episode ends at the next decision if its number is at most this.
    public var episodeEnded = 0

    public init() {}

    /// What of it counts at `time`, in seconds of the clock that `pinUntil` goes by.
    public func inForce(at time: Double) -> Controls {
        guard let pinUntil, time >= pinUntil else { return self }
        var controls = self
        (controls.pin, controls.pinUntil) = (nil, nil)
        return controls
    }
}

/// Resources that all replicas of one application may have together.
public struct Capacity: Sendable, Equatable {
    public var cpuMillicores: Int
    public var memoryBytes: Int

    public init(cpuMillicores: Int, memoryBytes: Int) {
        self.cpuMillicores = cpuMillicores
        self.memoryBytes = memoryBytes
    }
}

/// What the guards know of the application besides its allocation and the quality of the observation.
public struct GuardSituation: Sendable {
    /// The proposal is a policy's.
    public var isPolicys = false
    /// The policy lacks an input that it was trained with: the rules act.
    public var isBlind = false
    /// The objective was missed in the step that just ended.
    public var isViolated = false
    /// The most cores that the load took in all within ten minutes; `nil` when it is not known.
    public var usedCores: Double?
    /// The cores that it takes in all now; `nil` when that is not known.
    public var presentCores: Double?
    /// Replicas that take load now; `nil` when that is not known.
    public var readyReplicas: Int?
    /// How many of the last steps missed the objective, one after the other.
    public var missesInRow = 0
    /// The objective was missed in one of the last thirty steps.
    public var isMissedLately = false
    /// The most cores that the load took in all within ten minutes, or at the time of the coming hour a day or a week ago; `nil`
    /// when it is not known.
    public var foreseenCores: Double?
    /// Seconds since a replica's size changed.
    public var secondsSinceResize = Double.infinity

    public init() {}
}

/// What the guards let through.
public struct Guarded: Sendable {
    /// Who is behind an answer that is not the proposer's.
    public enum Override: String, Sendable { case rules, hold, pin }

    /// Always within the profile's limits.
    public var allocation: Allocation
    public var records: [GuardRecord]
    /// `hold` for bad data or a pause, `pin` for a pin, `rules` for the kill switch; `nil`: the proposer's own.
    public var override: Override?

    public init(allocation: Allocation, records: [GuardRecord], override: Override?) {
        self.allocation = allocation
        self.records = records
        self.override = override
    }
}

public enum Guards {
    /// The allocation to answer.
    ///
    /// - Parameters:
    ///   - proposed: what the policy or the rules want. May be anything.
    ///   - current: the observed allocation.
    ///   - rules: what the rules want, for the kill switch.
    ///   - quality: the checker's verdict on the observation.
    ///   - memory: what the memory limit should not fall below, and what it should rise to (`MemoryFloor`).
    ///   - situation: see `GuardSituation`.
    ///   - controls: those in force.
    ///   - capacity: resources that the application may have in all; growth beyond it is cut, nothing is taken away.
    ///   - state: the guards' memory; for a dry run pass a copy.
    ///   - time: seconds.
    public static func apply(
        _ proposed: Allocation, current: Allocation, rules: Allocation, quality: ObservationQuality, profile: Profile,
        controls: Controls, memory: MemoryNeed = .none, situation: GuardSituation = GuardSituation(),
        capacity: Capacity? = nil, state: inout GuardState, time: Double
    ) -> Guarded {
        state.advance(to: time)
        let current = believable(current, state.answered, profile)
        var pass = Pass(wanted: proposed)
        if controls.killSwitch {
            pass.change(to: rules, .killSwitch)
            pass.override = .rules
        } else if situation.isPolicys, situation.isBlind {
            pass.change(to: rules, .blind)
            pass.override = .rules
        }
        pass.distrust(quality, current: current, answered: state.answered)
        pass.change(to: profile.clamp(pass.wanted), .limits)
        if !quality.holds {
            if situation.isViolated {
                let least = quality.isUpdating ? pass.wanted.replicasNotBelow(current) : pass.wanted.notBelow(current)
                pass.change(to: least, .objectiveMissed)
            }
            pass.keepMemory(memory, current: current, profile)
            if situation.isPolicys, pass.override == nil {
                if quality.isGood {
                    pass.releaseMemory(memory, situation, current: current, profile)
                    pass.releaseCPU(situation, rules: rules)
                }
                pass.justify(situation.usedCores, current: current, rules: rules)
                pass.keepCPU(situation, current: current, rules: rules)
            }
        }
        pass.limitStep(from: current, profile)
        pass.keepSize(situation, current: current)
        pass.stabilize(current: current, profile, state: &state, time: time)
        pass.spendReversals(current: current, profile, state: state)
        if let capacity { pass.fit(capacity, current: current) }
        if let pin = controls.pin {
            pass.change(to: pin, .pin)
            pass.override = .pin
        }
        if controls.paused {
            pass.change(to: current, .pause)
            pass.override = .hold
        }
        if profile.actuation == .approve, pass.override != .pin, !controls.paused {
            pass.change(to: controls.approved ?? current, .approval)
        }
        if controls.freezeDown { pass.change(to: pass.wanted.notBelow(current), .freezeDown) }
        if controls.freezeUp { pass.change(to: pass.wanted.notAbove(current), .freezeUp) }
        pass.change(to: profile.clamp(pass.wanted), .limits)
        state.note(pass.wanted, from: current)
        return Guarded(allocation: pass.wanted, records: pass.records, override: pass.override)
    }

    /// A count or a limit of zero is a broken metric, not a state to hold: go by what was answered last.
    private static func believable(_ current: Allocation, _ answered: Allocation?, _ profile: Profile) -> Allocation {
        var current = current
        if current.replicas <= 0, profile.minReplicas > 0 {
            current.replicas = answered?.replicas ?? profile.minReplicas
        }
        if current.cpuMillicores <= 0 { current.cpuMillicores = answered?.cpuMillicores ?? profile.cpu.min }
        if current.memoryBytes <= 0 { current.memoryBytes = answered?.memoryBytes ?? profile.memory.min }
        return current
    }
}

extension Allocation {
    /// The smaller of the two in every dimension.
    func notAbove(_ other: Allocation) -> Allocation {
        Allocation(
            replicas: min(replicas, other.replicas), cpuMillicores: min(cpuMillicores, other.cpuMillicores),
            memoryBytes: min(memoryBytes, other.memoryBytes))
    }

    func replicasNotBelow(_ other: Allocation) -> Allocation {
        var result = self
        result.replicas = max(replicas, other.replicas)
        return result
    }

    /// The larger of the two in every dimension.
    public func notBelow(_ other: Allocation) -> Allocation {
        Allocation(
            replicas: max(replicas, other.replicas), cpuMillicores: max(cpuMillicores, other.cpuMillicores),
            memoryBytes: max(memoryBytes, other.memoryBytes))
    }
}

/// A proposal on its way through the guards.
private struct Pass {
    var wanted: Allocation
    var records: [GuardRecord] = []
    var override: Guarded.Override?

    init(wanted: Allocation) { self.wanted = wanted }

    /// Moves to `next`, with a record for each dimension that changes.
    mutating func change(to next: Allocation, _ rule: GuardRecord.Rule, figure: Int = 0) {
        guard next != wanted else { return }
        note(rule, .replicas, wanted.replicas, next.replicas, figure)
        note(rule, .cpu, wanted.cpuMillicores, next.cpuMillicores, figure)
        note(rule, .memory, wanted.memoryBytes, next.memoryBytes, figure)
        wanted = next
    }

    private mutating func note(
        _ rule: GuardRecord.Rule, _ field: GuardRecord.Field, _ before: Int, _ after: Int, _ figure: Int
    ) {
        guard before != after else { return }
        records.append(GuardRecord(rule: rule, field: field, before: before, after: after, figure: figure))
    }

    /// Bad or stale data: hold, or at least never down.
    mutating func distrust(_ quality: ObservationQuality, current: Allocation, answered: Allocation?) {
        guard !quality.isGood else { return }
        var next = wanted
        if quality.holds {
            next = current
            override = .hold
        } else if quality.forbidsDown {
            next = wanted.notBelow(current)
            if quality.isUpdating, let answered {
                // To ask for the old sizes again would begin another update, and so on for ever.
                if wanted.cpuMillicores <= max(current.cpuMillicores, answered.cpuMillicores) {
                    next.cpuMillicores = answered.cpuMillicores
                }
                if wanted.memoryBytes <= max(current.memoryBytes, answered.memoryBytes) { next.memoryBytes = answered.memoryBytes }
            }
        } else {
            next.memoryBytes = max(wanted.memoryBytes, current.memoryBytes)
        }
        change(to: next, .badData, figure: Int(quality.rawValue))
    }

    /// No cut below what was needed lately, and more at once where that is not enough.
    mutating func keepMemory(_ need: MemoryNeed, current: Allocation, _ profile: Profile) {
        var next = wanted
        if next.memoryBytes < current.memoryBytes {
            next.memoryBytes = max(next.memoryBytes, min(need.keep, current.memoryBytes))
        }
        next.memoryBytes = max(next.memoryBytes, need.raise)
        // The lowest bit says that kills are not reported.
        change(
            to: profile.clamp(next), .memoryNeed,
            figure: max(need.keep, need.raise) & ~1 | (need.isSuspicious ? 1 : 0))
    }

    /// CPU use beyond which replicas are saturated: requests queue, latency runs away, and memory with it.
    static let saturatedUtilization = 0.85

    /// What it may be after so many misses of the objective in a row. Not after a few, which a burst takes and a policy may wait for:
    /// from three on it cost 2 % of the bill. Bounded, because a latency that does not come from the load must not carry a policy
    /// to the maximum.
    static func bearableUtilization(afterMisses misses: Int) -> Double? { misses < 10 ? nil : misses < 20 ? 0.6 : 0.5 }

    /// A policy may not leave less CPU than the present load would saturate, however thrifty it is: as many replicas of the size
    /// that it wants as that takes, but no more CPU than runs, or the rules want. One that goes on missing the objective has
    /// misjudged the application: then more.
    mutating func keepCPU(_ situation: GuardSituation, current: Allocation, rules: Allocation) {
        guard let presentCores = situation.presentCores, wanted.cpuMillicores > 0 else { return }
        let bearable = Self.bearableUtilization(afterMisses: situation.missesInRow)
        let needed =
            if let bearable {
                presentCores * 1000 / bearable
            } else {
                min(presentCores * 1000 / Self.saturatedUtilization, max(current.totalMillicores, rules.totalMillicores))
            }
        guard needed > wanted.totalMillicores * 1.001, needed < 1e12 else { return }
        var next = wanted
        next.replicas = max(next.replicas, Int((needed / Double(wanted.cpuMillicores) - 0.001).rounded(.up)))
        // The lowest bit says that the objective goes on being missed.
        change(to: next, .cpuNeed, figure: Int(needed) & ~1 | (bearable == nil ? 0 : 1))
    }

    /// Nobody makes replicas smaller that are needed as they are: more of them, which are to make up for it, are ready later or
    /// come one step at a time.
    mutating func keepSize(_ situation: GuardSituation, current: Allocation) {
        guard wanted.cpuMillicores < current.cpuMillicores, let presentCores = situation.presentCores else { return }
        let needed = presentCores * 1000 / Self.saturatedUtilization
        let ready = min(situation.readyReplicas ?? current.replicas, wanted.replicas)
        guard needed > Double(ready) * Double(wanted.cpuMillicores), needed < 1e12 else { return }
        var next = wanted
        next.cpuMillicores = current.cpuMillicores
        change(to: next, .cpuNeed, figure: Int(needed))
    }

    /// From how much over the memory that is needed a policy's surplus is taken back, and to how much over it.
    static let surplusMemory = (from: 1.3, to: 1.1)
    /// How long ago the last resize must be where it restarts pods: as long as VPA's updater lets a pod live
    /// (`--in-recommendation-bounds-eviction-lifetime-threshold`).
    static let secondsBetweenRestarts = 43_200.0

    /// Memory that a policy keeps although nothing asks for it any more goes back in one step. Policies learn with applications
    /// whose owners gave little too much; what real owners give, they keep for good: in somebody else's simulator the base policy
    /// made no cut in 66 hours of 144 applications, and paid for twice the memory that the rules did.
    mutating func releaseMemory(_ need: MemoryNeed, _ situation: GuardSituation, current: Allocation, _ profile: Profile) {
        guard need.keep > 0, wanted.memoryBytes == current.memoryBytes, !situation.isMissedLately,
            Double(current.memoryBytes) > Double(need.keep) * Self.surplusMemory.from,
            profile.resize == .inPlace || situation.secondsSinceResize >= Self.secondsBetweenRestarts
        else { return }
        var next = wanted
        next.memoryBytes = Int(Double(need.keep >> 20) * Self.surplusMemory.to) << 20
        change(to: profile.clamp(next), .surplus, figure: need.keep)
    }

    /// CPU use below which a policy keeps too much, unless it is less than so many times what the rules want.
    static let surplusUtilization = 0.33
    static let surplusOfRules = 1.5

    /// CPU far beyond the load, as an owner's generous start leaves it, goes as fast as the rules would take it: a policy that is wary
    /// of every step took an hour and a half. From 0.45 of use on this costs an application its reserve.
    mutating func releaseCPU(_ situation: GuardSituation, rules: Allocation) {
        guard let used = situation.foreseenCores, !situation.isMissedLately, wanted.cpuMillicores > 0 else { return }
        let most = max(used * 1000 / Self.surplusUtilization, rules.totalMillicores * Self.surplusOfRules)
        guard wanted.totalMillicores > most * 1.001, most < 1e12 else { return }
        var next = wanted
        next.replicas = min(next.replicas, max(rules.replicas, Int((most / Double(wanted.cpuMillicores)).rounded(.up))))
        change(to: next, .surplus, figure: Int(most))
    }

    /// CPU use that a policy's growth must still leave.
    static let justifiedUtilization = 0.2

    /// A policy may not grow beyond what the rules want or the load of the last ten minutes would use in part: one bad
    /// sample, or a latency that no replica can help, must not carry it to the maximum.
    mutating func justify(_ usedCores: Double?, current: Allocation, rules: Allocation) {
        let justified = max(
            current.totalMillicores, rules.totalMillicores, (usedCores ?? 0) * 1000 / Self.justifiedUtilization)
        guard wanted.totalMillicores > justified * 1.001 else { return }
        var next = wanted
        next.cpuMillicores = min(next.cpuMillicores, max(current.cpuMillicores, rules.cpuMillicores))
        if next.totalMillicores > justified * 1.001 {
            let count = Int(min((justified / Double(max(1, next.cpuMillicores))).rounded(.up), 1e9))
            next.replicas = min(next.replicas, max(current.replicas, count))
        }
        change(to: next, .unjustified, figure: Int(min(justified, 1e15)))
    }

    /// Replicas that one decision may add or remove: the profile's numbers, or an eighth more and a sixteenth less where
    /// that is more. The way back into the limits may be longer.
    mutating func limitStep(from current: Allocation, _ profile: Profile) {
        let start = min(max(current.replicas, profile.minReplicas), profile.maxReplicas)
        let up = max(0, profile.guards.maxStepUp, profile.guards.maxStepUp == 0 ? 0 : start / 8)
        let down = max(0, profile.guards.maxStepDown, profile.guards.maxStepDown == 0 ? 0 : start / 16)
        var next = wanted
        if wanted.replicas - start > up {
            next.replicas = start + up
            change(to: next, .maxStepUp, figure: up)
        } else if start - wanted.replicas > down {
            next.replicas = start - down
            change(to: next, .maxStepDown, figure: down)
        }
    }

    /// A scale-down waits until no higher count was asked for within the window; scaling up never waits.
    mutating func stabilize(current: Allocation, _ profile: Profile, state: inout GuardState, time: Double) {
        let window = profile.guards.stabilizationDownSeconds
        guard window > 0, time.isFinite else { return }
        let highest = state.requested.add(wanted.replicas, at: time, window: Double(window))
        guard wanted.replicas < current.replicas, highest > wanted.replicas else { return }
        var next = wanted
        next.replicas = min(highest, current.replicas)
        change(to: next, .stabilization, figure: window)
    }

    /// With the hour's changes of direction spent, turning downwards waits. Turning upwards does not: an oscillation
    /// needs both, and holding too little would cost the objective.
    mutating func spendReversals(current: Allocation, _ profile: Profile, state: GuardState) {
        guard wanted.replicas < current.replicas, state.direction > 0,
            state.reversalsInHour >= profile.guards.reversalsPerHour
        else { return }
        var next = wanted
        next.replicas = current.replicas
        change(to: next, .reversalBudget, figure: state.reversalsInHour)
    }

    /// Growth beyond the total is cut: first a replica's growth, then replicas; never below what is there.
    mutating func fit(_ capacity: Capacity, current: Allocation) {
        var next = wanted
        func fits(_ size: Int, _ total: Int) -> Bool {
            let (sum, overflow) = size.multipliedReportingOverflow(by: max(1, next.replicas))
            return !overflow && sum <= total
        }
        if !fits(next.cpuMillicores, capacity.cpuMillicores) {
            next.cpuMillicores = min(next.cpuMillicores, max(current.cpuMillicores, 1))
        }
        if !fits(next.memoryBytes, capacity.memoryBytes) {
            next.memoryBytes = min(next.memoryBytes, max(current.memoryBytes, 1))
        }
        if next.replicas > current.replicas {
            let most = min(
                capacity.cpuMillicores / max(1, next.cpuMillicores), capacity.memoryBytes / max(1, next.memoryBytes))
            next.replicas = max(current.replicas, min(next.replicas, most))
        }
        change(to: next, .capacity)
    }
}
