// What the tests of this module share: a seeded generator and makers of observations.

import Scaling
@testable import Base

/// SplitMix64: the same numbers for the same seed everywhere.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// 0 up to but not including `count`.
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(max(1, count))) }

    /// 0..<1.
    mutating func uniform() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

    /// A value as a broken client might send: now and then missing, not finite, negative, zero or huge.
    mutating func wildValue(upTo highest: Double) -> Double? {
        switch below(12) {
        case 0: nil
        case 1: .nan
        case 2: .infinity
        case 3: -uniform()
        case 4: 0
        case 5: 1e300
        default: uniform() * highest
        }
    }

    mutating func wildInt() -> Int {
        switch below(8) {
        case 0: 0
        case 1: -below(10)
        case 2: .max
        case 3: .min
        case 4: 1 << 40
        default: below(4096)
        }
    }

    mutating func wildObservation() -> Observation {
        var observation = Observation(replicas: below(10) == 0 ? wildInt() : 1 + below(20))
        observation.cpuUtilization = wildValue(upTo: 1.2)
        observation.memoryUtilization = wildValue(upTo: 1.2)
        observation.latencySeconds = wildValue(upTo: 2)
        if below(4) == 0 { observation.sloPreservation = wildValue(upTo: 1) }
        observation.requestRate = wildValue(upTo: 500)
        observation.throughput = wildValue(upTo: 500)
        observation.networkUtilization = wildValue(upTo: 1)
        observation.throttledRatio = wildValue(upTo: 1)
        observation.readyReplicas = below(3) == 0 ? wildInt() : nil
        observation.oomKills = below(6) == 0 ? wildInt() : nil
        observation.cpuMillicores = below(4) == 0 ? wildInt() : nil
        observation.memoryBytes = below(4) == 0 ? wildInt() : nil
        observation.reward = below(8) == 0 ? wildValue(upTo: 1) : nil
        observation.applied = below(10) != 0
        return observation
    }
}

extension Observation {
    /// A healthy, busy application; each argument changes one thing.
    static func make(
        replicas: Int = 4, cpu: Double? = 0.7, memory: Double? = 0.5, latency: Double? = 0.2, rate: Double? = 100,
        ready: Int? = nil, oomKills: Int? = nil, time: Double? = nil
    ) -> Observation {
        var observation = Observation(replicas: replicas)
        observation.cpuUtilization = cpu
        observation.memoryUtilization = memory
        observation.latencySeconds = latency
        observation.requestRate = rate
        observation.readyReplicas = ready
        observation.oomKills = oomKills
        observation.time = time
        return observation
    }
}

extension Allocation {
    func sizesNotAbove(_ other: Allocation) -> Allocation {
        Allocation(
            replicas: replicas, cpuMillicores: min(cpuMillicores, other.cpuMillicores), memoryBytes: min(memoryBytes, other.memoryBytes))
    }

    static func make(replicas: Int = 4, cpu: Int = 1024, memoryMiB: Int = 512) -> Allocation {
        Allocation(replicas: replicas, cpuMillicores: cpu, memoryBytes: memoryMiB << 20)
    }
}

extension ByteWriter {
    /// The bytes that `encode` writes.
    static func encoding(_ encode: (inout ByteWriter) -> Void) -> [UInt8] {
        var writer = ByteWriter()
        encode(&writer)
        return writer.bytes
    }
}
