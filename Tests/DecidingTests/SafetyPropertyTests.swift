// What holds for every sequence of observations, however broken: random sequences, and the shortest one that fails.
//
// AWARE_TEST_SEQUENCES sets how many are tried; a million take some minutes.

import Base
import Deciding
import Foundation
import Learning
import Scaling
import Testing

/// One thing that happens to an application.
private enum Happening: CustomStringConvertible {
    /// Seconds pass, then an observation arrives.
    case see(Observation, after: Double)
    /// The last observation arrives again.
    case again
    case profile(Profile)
    case controls(Controls)
    /// The process dies and comes back.
    case restart

    var description: String {
        switch self {
        case .see(let observation, let seconds): "after \(seconds) s: \(observation)"
        case .again: "again"
        case .profile(let profile):
            "profile replicas \(profile.minReplicas)...\(profile.maxReplicas), cpu \(profile.cpu), memory \(profile.memory)"
        case .controls(let controls): "controls \(controls)"
        case .restart: "restart"
        }
    }
}

/// An application that lives through happenings, checking each answer.
private struct World {
    var core = DecisionCore(Profile())
    var controls = Controls()
    var now = 1_780_000_000.0
    var last: (observation: Observation, answer: Allocation)?
    let policy: Policy?
    let scratch: PolicyScratch?

    init(policy: Policy?) {
        self.policy = policy
        scratch = policy?.makeScratch()
    }

    private static func bytes(_ core: DecisionCore) -> [UInt8] {
        var writer = ByteWriter()
        core.encode(into: &writer)
        return writer.bytes
    }

    /// What is wrong, `nil` if nothing.
    mutating func live(_ happening: Happening) -> String? {
        switch happening {
        case .profile(let profile):
            core.update(profile)
            last = nil
        case .controls(let controls):
            self.controls = controls
            last = nil
        case .restart:
            let bytes = Self.bytes(core)
            var reader = ByteReader(bytes)
            var copy = DecisionCore(core.profile)
            do {
                try copy.decode(from: &reader, lastAnswer: core.lastAnswer, lastCurrent: core.lastCurrent)
            } catch {
                return "the state cannot be read back: \(error)"
            }
            guard Self.bytes(copy) == bytes else { return "the state changes when stored" }
            core = copy
        case .again:
            guard let (observation, answer) = last, observation.time != nil else { return nil }
            let (_, settled) = decide(observation)
            // A sum of time-dependent demands may move on; the answer to the same bytes does not.
            if settled.guarded.allocation != answer { return "sent again: \(settled.guarded.allocation), not \(answer)" }
        case .see(let observation, let seconds):
            now += seconds
            let before = core.lastAnswer
            let (perception, settled) = decide(observation)
            last = (observation, settled.guarded.allocation)
            return check(perception, settled, before: before)
        }
        return nil
    }

    private mutating func decide(_ observation: Observation) -> (Perception, Settlement) {
        let perception = core.perceive(observation, at: now)
        var experience = core.experience(perception)
        var proposal: Proposal?
        if let policy, let scratch {
            var greedy: RandomGenerator?
            proposal = core.propose(perception, by: policy, scratch: scratch, sampling: &greedy, into: &experience)
        }
        return (perception, core.settle(perception, proposed: proposal?.allocation, controls: controls))
    }

    private func check(_ perception: Perception, _ settled: Settlement, before: Allocation?) -> String? {
        let (answer, profile) = (settled.guarded.allocation, core.profile)
        if perception.quality.contains(.noReplicas), !perception.quality.holds { return "off is a hold" }
        if answer.replicas == 0, profile.minReplicas > 0 {
            guard perception.quality.contains(.noReplicas) || before?.replicas == 0 && perception.quality.holds else {
                return "no replicas are answered though some are wanted: \(answer)"
            }
            return nil
        }
        guard profile.clamp(answer) == answer else { return "\(answer) is outside the limits" }
        let isFree = controls.pin == nil && !controls.paused && !controls.freezeUp
        var floor = profile.clamp(perception.current)
        if perception.quality.isUpdating, let before {
            // What is under way is not turned back.
            floor.cpuMillicores = min(floor.cpuMillicores, profile.clamp(before).cpuMillicores)
            floor.memoryBytes = min(floor.memoryBytes, profile.clamp(before).memoryBytes)
        }
        if perception.quality.holds, isFree, let before {
            let kept = profile.clamp(before)
            guard answer.replicas >= kept.replicas, answer.cpuMillicores >= kept.cpuMillicores,
                answer.memoryBytes >= kept.memoryBytes
            else { return "less than the last answer on distrust: \(answer), not \(kept)" }
        }
        if perception.quality.forbidsDown || perception.parts.violated, isFree,
            answer.replicas < floor.replicas || answer.cpuMillicores < floor.cpuMillicores
                || answer.memoryBytes < floor.memoryBytes
        {
            return "less than what runs: \(answer), not \(floor) (\(perception.quality.reasons))"
        }
        if isFree, answer.replicas > floor.replicas {
            let most = floor.replicas + max(profile.guards.maxStepUp, floor.replicas / 8)
            guard answer.replicas <= most else { return "\(answer.replicas) replicas, at most \(most) in one step" }
        }
        let state = core.experience(perception).state
        guard state.allSatisfy({ $0.isFinite && $0 >= -1 && $0 <= 4 }) else { return "the state is not finite" }
        guard settled.guarded.records.allSatisfy({ !$0.detail.isEmpty }) else { return "a guard does not say why" }
        return nil
    }
}

@Suite struct SafetyPropertyTests {
    static let sequences = ProcessInfo.processInfo.environment["AWARE_TEST_SEQUENCES"].flatMap(Int.init) ?? 4_000
    private static let lengthMax = 60

    /// A random life. Everything that can be sent is sent, and most of it makes sense.
    private static func life(_ random: inout Dice) -> [Happening] {
        var happenings: [Happening] = [.profile(profile(&random))]
        var (replicas, cpu, memory) = (1 + random.below(30), 128 * (1 + random.below(30)), 64 * (1 + random.below(60)))
        var time = 1_780_000_000.0
        var load = random.uniform() * 20
        for _ in 0..<(5 + random.below(lengthMax)) {
            switch random.below(40) {
            case 0: happenings.append(.profile(profile(&random)))
            case 1:
                var controls = Controls()
                switch random.below(6) {
                case 0: controls.paused = true
                case 1: controls.freezeDown = true
                case 2: controls.freezeUp = true
                case 3: controls.killSwitch = true
                case 4:
                    controls.pin = Allocation(
                        replicas: 1 + random.below(50), cpuMillicores: 100 + random.below(4000),
                        memoryBytes: random.below(4000) << 20)
                default: break
                }
                happenings.append(.controls(controls))
            case 2: happenings.append(.restart)
            case 3: happenings.append(.again)
            default:
                if random.below(8) == 0 { replicas = random.below(60) }
                if random.below(20) == 0 { cpu = 1 + random.below(5000) }
                if random.below(20) == 0 { memory = 1 + random.below(8000) }
                if random.below(5) == 0 { load = random.uniform() * 40 }
                let seconds = [60, 60, 60, 60, 15, 90, 300, 3600, 90_000, -30, -5000, 0][random.below(12)]
                time += Double(seconds)
                var seen = Observation(replicas: replicas)
                if random.below(6) > 0 { seen.cpuMillicores = cpu }
                if random.below(6) > 0 { seen.memoryBytes = memory << 20 }
                let share = load / max(0.1, Double(replicas) * Double(cpu) / 1000)
                seen.cpuUtilization = random.broken(min(share, 1.3))
                seen.memoryUtilization = random.broken(random.uniform())
                if random.below(3) == 0 { seen.memoryPeakUtilization = random.broken(random.uniform()) }
                seen.latencySeconds = random.broken(share > 1 ? 5 : 0.1 + random.uniform() / 2)
                seen.requestRate = random.broken(load * 20)
                if random.below(4) == 0 { seen.throughput = random.broken(load * 20) }
                if random.below(4) == 0 { seen.readyReplicas = random.below(60) - 1 }
                if random.below(6) == 0 { seen.existingReplicas = random.below(80) - 1 }
                if random.below(3) > 0 { seen.oomKills = random.below(30) == 0 ? random.below(200) - 1 : 0 }
                if random.below(9) == 0 { seen.sloPreservation = random.broken(random.uniform()) }
                if random.below(9) == 0 { seen.reward = random.broken(random.uniform()) }
                if random.below(9) == 0 { seen.throttledRatio = random.broken(random.uniform()) }
                seen.rolloutInProgress = random.below(12) == 0
                seen.applied = random.below(12) > 0
                if random.below(3) > 0 { seen.time = time + Double([0, 0, 0, -5, -3600, 3600][random.below(6)]) }
                happenings.append(.see(seen, after: Double(seconds)))
            }
        }
        return happenings
    }

    private static func profile(_ random: inout Dice) -> Profile {
        var profile = Profile()
        profile.minReplicas = 1 + random.below(5)
        profile.maxReplicas = profile.minReplicas + random.below(100)
        profile.cpu = .init(min: 100 + random.below(500), max: 700 + random.below(5000), step: 128)
        profile.memory = .init(min: (64 + random.below(200)) << 20, max: (300 + random.below(5000)) << 20, step: 128 << 20)
        profile.guards.maxStepUp = random.below(8)
        profile.guards.maxStepDown = random.below(4)
        profile.guards.stabilizationDownSeconds = [0, 0, 300][random.below(3)]
        switch random.below(4) {
        case 0: profile.objective = .none
        case 1: profile.objective = .throughput(perSecond: 50)
        default: break
        }
        return profile
    }

    private static func failure(of life: [Happening], policy: Policy?) -> String? {
        var world = World(policy: policy)
        for (index, happening) in life.enumerated() {
            if let wrong = world.live(happening) { return "happening \(index): \(wrong)" }
        }
        return nil
    }

    /// Leaves out what is not needed to fail.
    private static func shrunk(_ life: [Happening], policy: Policy?) -> [Happening] {
        var life = life
        var index = life.count - 1
        while index >= 0 {
            var shorter = life
            shorter.remove(at: index)
            if failure(of: shorter, policy: policy) != nil { life = shorter }
            index = min(index, life.count) - 1
        }
        return life
    }

    @Test(.timeLimit(.minutes(60))) func everySequenceOfObservationsIsAnsweredSafely() async {
        let wild = Policy(shape: .cluster(), seed: 3)
        for number in 0..<Self.sequences {
            if number % 64 == 0 { await Task.yield() }
            var random = Dice(seed: UInt64(number))
            let life = Self.life(&random)
            let policy = number % 2 == 0 ? wild : nil
            guard Self.failure(of: life, policy: policy) != nil else { continue }
            let short = Self.shrunk(life, policy: policy)
            Issue.record(
                """
                sequence \(number) fails, shrunk to \(short.count) happenings:
                \(short.map(\.description).joined(separator: "\n"))
                \(Self.failure(of: short, policy: policy) ?? "")
                """)
            return
        }
    }
}

/// SplitMix64.
private struct Dice {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(max(1, count))) }
    mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// `value`, or now and then what broken clients send.
    mutating func broken(_ value: Double) -> Double? {
        switch below(30) {
        case 0, 1, 2: nil
        case 3: .nan
        case 4: .infinity
        case 5: -value
        case 6: 0
        case 7: value * 100
        case 8: 1e300
        default: value
        }
    }
}
