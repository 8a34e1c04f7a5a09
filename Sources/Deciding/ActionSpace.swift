// What a policy may choose from in one step, and what each choice does to an allocation.

import Scaling

/// One choice per head of an action space: at most three small indices, without allocation.
public struct Action: Sendable, Hashable {
    private var first: UInt8 = 0
    private var second: UInt8 = 0
    private var third: UInt8 = 0
    private let heads: UInt8

    /// Index 0 for each of 1 to 3 heads.
    public init(count: Int) { heads = UInt8(clamping: min(count, 3)) }

    /// The indices of up to three heads, in the heads' order; further elements are ignored.
    public init(_ choices: some Collection<Int>) {
        self.init(count: choices.count)
        for (head, choice) in choices.prefix(3).enumerated() { self[head] = choice }
    }

    public var count: Int { Int(heads) }

    /// The choice of head 0, 1 or 2. Indices outside 0...255 are stored as the nearest of these.
    public subscript(head: Int) -> Int {
        get {
            switch head {
            case 0: Int(first)
            case 1: Int(second)
            default: Int(third)
            }
        }
        set {
            switch head {
            case 0: first = UInt8(clamping: newValue)
            case 1: second = UInt8(clamping: newValue)
            default: third = UInt8(clamping: newValue)
            }
        }
    }
}

/// A versioned set of choices, in one head or several that choose independently of each other.
public struct ActionSpace: Sendable, Equatable {
    /// What one choice changes. CPU and memory steps are multiples of the profile's steps (128m and 128Mi by default).
    public enum Change: Sendable, Hashable {
        case none
        case replicas(Int)
        case cpuSteps(Int)
        case memorySteps(Int)
        /// Memory times this, to the nearest MiB.
        case memoryFactor(Double)
        /// Replicas by this share, at least by one.
        case replicaShare(Double)
        /// CPU times this, to the nearest eighth of the profile's step.
        case cpuFactor(Double)
        /// Memory to the floor (`MemoryNeed.keep`) times this. Less than a tenth down is not worth a resize.
        case memoryOverFloor(Double)
    }

    public struct Head: Sendable, Equatable {
        public let name: String
        public let choices: [Change]
        /// Index of the choice that changes nothing.
        public let noop: Int
    }

    /// Stable number of the layout, stored with models: weights fit one version only.
    public let version: UInt16
    public let name: String
    public let heads: [Head]

    /// Three heads. Replicas by shares, so that 5 and 100 replicas are scaled alike; CPU by factors; memory over what was
    /// shown to be needed, so that a policy cannot go below it.
    public static let standard = ActionSpace(
        version: 5, name: "shares",
        heads: [
            Head(
                name: "replicas",
                choices: [
                    .replicaShare(-0.35), .replicaShare(-0.15), .replicas(-1), .none, .replicas(1),
                    .replicaShare(0.15), .replicaShare(0.35), .replicaShare(1),
                ], noop: 3),
            Head(
                name: "cpu", choices: [0.5, 0.8, 1, 1.25, 2].map { $0 == 1 ? .none : .cpuFactor($0) }, noop: 2),
            Head(name: "memory", choices: [.none] + [1, 1.1, 1.25, 1.5].map { .memoryOverFloor($0) }, noop: 0),
        ])

    /// Seconds between two changes of the CPU size that a policy makes.
    public static let cpuIntervalSeconds = 300.0

    /// The published controller's seven choices, one dimension a step (AWARE, USENIX ATC 2023).
    public static let paper = ActionSpace(
        version: 2, name: "paper7",
        heads: [
            Head(
                name: "action",
                choices: [
                    .none, .replicas(1), .replicas(-1), .cpuSteps(1), .cpuSteps(-1), .memorySteps(1), .memorySteps(-1),
                ], noop: 0)
        ])

    /// The exercise's five choices: nothing, out, in, up, down (AWARE, USENIX ATC 2023).
    public static let exercise = ActionSpace(
        version: 3, name: "exercise5",
        heads: [
            Head(name: "action", choices: [.none, .replicas(1), .replicas(-1), .cpuSteps(1), .cpuSteps(-1)], noop: 0)
        ])

    public static let all = [standard, paper, exercise]

    /// Choices of each head.
    public var headSizes: [Int] { heads.map(\.choices.count) }

    /// Choices of all heads together: the length of a mask and of a policy's logits.
    public var choiceCount: Int { heads.reduce(0) { $0 + $1.choices.count } }

    /// The action that changes nothing.
    public var noop: Action { Action(heads.map(\.noop)) }

    /// Writes 1 for each legal choice and 0 for each other one, head after head.
    ///
    /// Legal is what stays within the limits and changes something, and always the no-op. From outside the limits (they
    /// were changed) a step that leads back towards them is legal as well.
    ///
    /// - Parameters:
    ///   - memoryFloor: no cut of memory below so many bytes is legal (`MemoryNeed.keep`).
    ///   - mayResizeCpu: a change of CPU by a factor is legal; the last one is long enough ago.
    ///   - mask: at least `choiceCount` elements.
    public func writeMask(
        for allocation: Allocation, _ profile: Profile, memoryFloor: Int = 0, mayResizeCpu: Bool = true,
        into mask: UnsafeMutableBufferPointer<UInt8>
    ) {
        var position = 0
        for head in heads {
            for (index, choice) in head.choices.enumerated() {
                let isLegal = index == head.noop || Self.isLegal(choice, for: allocation, profile, memoryFloor, mayResizeCpu)
                mask[position] = isLegal ? 1 : 0
                position += 1
            }
        }
    }

    /// The mask as one bit a choice, the first choice lowest. For spaces of at most 32 choices.
    public func maskBits(
        for allocation: Allocation, _ profile: Profile, memoryFloor: Int = 0, mayResizeCpu: Bool = true
    ) -> UInt32 {
        var bits: UInt32 = 0
        var position: UInt32 = 0
        for head in heads {
            for (index, choice) in head.choices.enumerated() {
                if index == head.noop || Self.isLegal(choice, for: allocation, profile, memoryFloor, mayResizeCpu) {
                    bits |= 1 << position
                }
                position += 1
            }
        }
        return bits
    }

    private static func isLegal(
        _ change: Change, for allocation: Allocation, _ profile: Profile, _ memoryFloor: Int, _ mayResizeCpu: Bool
    ) -> Bool {
        func leads(_ from: Int, to next: Int, _ lowest: Int, _ highest: Int) -> Bool {
            if next > from { return next <= highest || from < lowest }
            return next < from && (next >= lowest || from > highest)
        }
        let next = changed(allocation, by: change, profile, memoryFloor)
        switch change {
        case .none: return true
        case .replicas, .replicaShare:
            return leads(allocation.replicas, to: next.replicas, profile.minReplicas, profile.maxReplicas)
        case .cpuSteps: return leads(allocation.cpuMillicores, to: next.cpuMillicores, profile.cpu.min, profile.cpu.max)
        case .cpuFactor:
            return mayResizeCpu
                && leads(allocation.cpuMillicores, to: next.cpuMillicores, profile.cpu.min, profile.cpu.max)
        case .memorySteps, .memoryFactor, .memoryOverFloor:
            let isTooLow = next.memoryBytes < allocation.memoryBytes && next.memoryBytes < memoryFloor
            return !isTooLow
                && leads(allocation.memoryBytes, to: next.memoryBytes, profile.memory.min, profile.memory.max)
        }
    }

    /// What `action` makes of `allocation`, within the limits. An index that a head does not have changes nothing.
    ///
    /// - Parameter memoryFloor: what choices over the floor are measured from; with 0 they change nothing.
    public func apply(
        _ action: Action, to allocation: Allocation, _ profile: Profile, memoryFloor: Int = 0
    ) -> Allocation {
        var next = allocation
        for head in 0..<min(heads.count, action.count) {
            let index = action[head]
            guard index < heads[head].choices.count else { continue }
            next = Self.changed(next, by: heads[head].choices[index], profile, memoryFloor)
        }
        return profile.clamp(next)
    }

    private static func changed(
        _ allocation: Allocation, by change: Change, _ profile: Profile, _ memoryFloor: Int
    ) -> Allocation {
        var next = allocation
        switch change {
        case .none: break
        case .replicas(let count): next.replicas = moved(next.replicas, count, of: 1)
        case .cpuSteps(let steps): next.cpuMillicores = moved(next.cpuMillicores, steps, of: profile.cpu.step)
        case .memorySteps(let steps): next.memoryBytes = moved(next.memoryBytes, steps, of: profile.memory.step)
        case .memoryFactor(let factor):
            let mebibytes = (Double(next.memoryBytes) * factor / 1_048_576).rounded()
            // 2^40 MiB is more than any limit, and safe to shift.
            next.memoryBytes = Int(min(max(mebibytes, 0), 1_099_511_627_776)) << 20
        case .replicaShare(let share):
            let count = min(max((Double(next.replicas) * share.magnitude).rounded(), 0), 1e9)
            let wanted = moved(next.replicas, share < 0 ? -1 : 1, of: max(1, Int(count)))
            next.replicas = min(max(wanted, profile.minReplicas), profile.maxReplicas)
        case .cpuFactor(let factor):
            let grain = Double(max(1, profile.cpu.step / 8))
            let grains = (Double(next.cpuMillicores) * factor / grain).rounded()
            next.cpuMillicores = min(max(Int(min(max(grains * grain, 0), 1e12)), profile.cpu.min), profile.cpu.max)
        case .memoryOverFloor(let factor):
            guard memoryFloor > 0 else { break }
            let mebibytes = (Double(memoryFloor) * factor / 1_048_576).rounded(.up)
            let target = min(
                max(Int(min(mebibytes, 1_099_511_627_776)) << 20, profile.memory.min), profile.memory.max)
            let isSlight = target < next.memoryBytes && target > next.memoryBytes / 10 * 9
            if !isSlight { next.memoryBytes = target }
        }
        return next
    }

    /// `value + count * size`. Observed values may be anything: a sum that does not fit changes nothing.
    private static func moved(_ value: Int, _ count: Int, of size: Int) -> Int {
        let (change, isTooFar) = count.multipliedReportingOverflow(by: size)
        let (sum, isTooLarge) = value.addingReportingOverflow(change)
        return isTooFar || isTooLarge ? value : sum
    }

    /// The choice whose outcome is nearest to `target`, head by head: how decisions of the rules become examples for
    /// behaviour cloning.
    ///
    /// - Parameter legal: a bit for every choice, the first one lowest; only these and the no-op are taken.
    public func nearest(
        to target: Allocation, from allocation: Allocation, _ profile: Profile, legal: UInt32, memoryFloor: Int = 0
    ) -> Action {
        var best = Action(count: heads.count)
        var offset = 0
        for (position, head) in heads.enumerated() {
            defer { offset += head.choices.count }
            best[position] = head.noop
            var least = Self.distance(allocation, target, profile)
            for (index, choice) in head.choices.enumerated()
            where index != head.noop && legal >> UInt32(offset + index) & 1 == 1 {
                let distance = Self.distance(Self.changed(allocation, by: choice, profile, memoryFloor), target, profile)
                if distance < least {
                    least = distance
                    best[position] = index
                }
            }
        }
        return best
    }

    /// Distance in units of the largest allocation, replicas and CPU and memory of equal weight.
    private static func distance(_ a: Allocation, _ b: Allocation, _ profile: Profile) -> Double {
        func apart(_ a: Int, _ b: Int, _ largest: Int) -> Double {
            (Double(a) - Double(b)).magnitude / Double(max(largest, 1))
        }
        return apart(a.replicas, b.replicas, profile.maxReplicas)
            + apart(a.cpuMillicores, b.cpuMillicores, profile.cpu.max)
            + apart(a.memoryBytes, b.memoryBytes, profile.memory.max)
    }

    /// A choice in words, for explanations: "+2", "-128m", "x1.25", "keep".
    public func choiceName(head: Int, index: Int, _ profile: Profile) -> String {
        guard heads.indices.contains(head), heads[head].choices.indices.contains(index) else { return "unknown" }
        func signed(_ count: Int, _ text: String) -> String { count > 0 ? "+" + text : text }
        switch heads[head].choices[index] {
        case .none: return "keep"
        case .replicas(let count): return signed(count, "\(count) replicas")
        case .cpuSteps(let steps):
            return signed(steps, Quantity.text(millicores: steps * profile.cpu.step)) + " cpu"
        case .memorySteps(let steps):
            return signed(steps, Quantity.text(bytes: steps * profile.memory.step)) + " memory"
        case .memoryFactor(let factor): return "memory x \(factor)"
        case .replicaShare(let share): return signed(Int((share * 100).rounded()), "\(Int((share * 100).rounded())) % replicas")
        case .cpuFactor(let factor): return "cpu x \(factor)"
        case .memoryOverFloor(let factor): return "memory floor x \(factor)"
        }
    }
}
