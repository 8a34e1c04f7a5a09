// The random numbers of a simulation: seeded, small enough to be copied with the state that draws from it.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
public struct SimulationRandom: RandomNumberGenerator, Sendable, Equatable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    /// An independent stream for part `index` of whatever `seed` stands for.
    public init(seed: UInt64, index: Int) {
        var mixer = SimulationRandom(seed: seed ^ (UInt64(bitPattern: Int64(index)) &* 0xD134_2543_DE82_EF95))
        state = mixer.next()
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in 0..<1.
    public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Uniform in `range`.
    public mutating func uniform(_ range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
    }

    /// Mean 0, deviation 1, nearly normal: the sum of four uniforms (Irwin-Hall), one draw and no logarithm.
    public mutating func normal() -> Double {
        let bits = next()
        let sum = Double((bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48))
        return (sum * 0x1p-16 - 2) * 1.7320508075688772  // a sum of four has variance 4/12
    }

    /// Exponential with mean 1, for gaps between events.
    public mutating func exponential() -> Double { -logarithm(1 - uniform()) }
}
