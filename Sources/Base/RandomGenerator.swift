// The one source of randomness of everything that learns: seeded, small, and saved with a checkpoint.

#if canImport(Glibc)
    import Glibc
#endif

/// xoshiro256++ (Blackman and Vigna, 2019), seeded through SplitMix64. The same seed gives the same numbers on every
/// machine, and the four words of state are all there is to save.
public struct RandomGenerator: RandomNumberGenerator, Sendable, Hashable {
    /// The whole state. All zeros is the one state that never leaves itself; `init` replaces it.
    public private(set) var state: SIMD4<UInt64>

    public init(seed: UInt64) {
        var word = seed
        var state = SIMD4<UInt64>()
        for index in 0..<4 {
            word &+= 0x9E37_79B9_7F4A_7C15
            var mixed = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            state[index] = mixed ^ (mixed >> 31)
        }
        self.state = state
    }

    /// Continues where a saved generator stood.
    public init(state: SIMD4<UInt64>) {
        self = RandomGenerator(seed: 0)
        if state != .zero { self.state = state }
    }

    public mutating func next() -> UInt64 {
        let sum = state[0] &+ state[3]
        let result = ((sum << 23) | (sum >> 41)) &+ state[0]
        let shifted = state[1] << 17
        state[2] ^= state[0]
        state[3] ^= state[1]
        state[1] ^= state[2]
        state[0] ^= state[3]
        state[2] ^= shifted
        state[3] = (state[3] << 45) | (state[3] >> 19)
        return result
    }

    /// Uniform in [0, 1): the 24 bits that a Float's significand holds.
    public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

    /// Standard normal by the Box-Muller transform. Its second value is dropped, so that the state stays four words.
    public mutating func normal() -> Float {
        let radius = sqrtf(-2 * logf(1 - uniform()))
        return radius * cosf(2 * .pi * uniform())
    }

    /// Uniform in 0..<bound, by multiplication. The bias is below bound / 2^64.
    public mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "an empty range has no element to draw")
        return Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// Another generator whose numbers are independent of what this one gives from now on.
    public mutating func split() -> RandomGenerator { RandomGenerator(seed: next()) }
}
