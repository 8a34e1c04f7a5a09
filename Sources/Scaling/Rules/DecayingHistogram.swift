// A histogram that halves the weight of its samples every 24 hours: VPA's memory of usage.
//
// kubernetes/autoscaler vertical-pod-autoscaler/pkg/recommender/util/{histogram,histogram_options,
// decaying_histogram}.go and model/aggregations_config.go. CPU and memory have the same 176 buckets but for the size of
// the first: bucket b begins at first * (1.05^b - 1) / 0.05. Weights are 32-bit, a histogram has 0.7 KB.

import Base
import Glibc

/// Weighted, exponentially bucketed, decaying histogram.
struct DecayingHistogram: Sendable {
    /// ceil(log(largest * (ratio - 1) / first + 1) / log(ratio)) + 1 for 0.01...1000 cores and for 10 MB...1 TB alike.
    static let bucketCount = 176
    /// Each bucket is wider than the previous one by this factor.
    static let ratio = 1.05
    static let halfLifeSeconds = 86_400.0
    /// Lighter buckets count as empty (0.001 times the least weight of a sample, 0.1).
    static let epsilon: Float = 0.0001
    /// When weights have grown by 2 to this power the reference time moves up. Kubernetes uses 100 with 64-bit weights.
    static let maxDecayExponent = 60.0

    /// Width of the first bucket: cores or bytes.
    let firstBucket: Double
    private var weights = [Float](repeating: 0, count: Self.bucketCount)
    private var totalWeight = 0.0
    private var minBucket = Self.bucketCount - 1
    private var maxBucket = 0
    /// The time at which a sample weighs what it says; a multiple of the half-life.
    private var reference = 0.0

    init(firstBucket: Double) { self.firstBucket = firstBucket }

    var isEmpty: Bool { weights[minBucket] < Self.epsilon }

    func bucket(of value: Double) -> Int {
        guard value >= firstBucket else { return 0 }
        let index = log(value * (Self.ratio - 1) / firstBucket + 1) / log(Self.ratio)
        return index < Double(Self.bucketCount - 1) ? Int(index) : Self.bucketCount - 1
    }

    func start(ofBucket bucket: Int) -> Double {
        bucket == 0 ? 0 : firstBucket * (Self.powers[bucket] - 1) / (Self.ratio - 1)
    }

    /// ratio^bucket: three are needed for every decision.
    private static let powers = (0..<bucketCount).map { pow(ratio, Double($0)) }

    mutating func add(_ value: Double, weight: Double, time: Double) {
        let bucket = bucket(of: value)
        let decayed = weight * decayFactor(time)
        weights[bucket] += Float(decayed)
        totalWeight += decayed
        guard weights[bucket] >= Self.epsilon else { return }
        minBucket = min(minBucket, bucket)
        maxBucket = max(maxBucket, bucket)
    }

    /// Takes back a sample that was added with the same weight and time.
    mutating func subtract(_ value: Double, weight: Double, time: Double) {
        let bucket = bucket(of: value)
        let decayed = min(weight * decayFactor(time), Double(weights[bucket]))
        let rest = weights[bucket] - Float(decayed)
        totalWeight = max(0, totalWeight - decayed)
        weights[bucket] = rest < Self.epsilon ? 0 : rest
        trim()
    }

    /// The ends of the buckets in which three rising shares (0...1) of the weight are reached; zeros when empty.
    func percentiles(_ low: Double, _ middle: Double, _ high: Double) -> (low: Double, middle: Double, high: Double) {
        guard !isEmpty else { return (0, 0, 0) }
        var bucket = minBucket
        var sum = Double(weights[bucket])
        func end(_ share: Double) -> Double {
            let threshold = share * totalWeight
            while bucket < maxBucket, sum < threshold {
                bucket += 1
                sum += Double(weights[bucket])
            }
            // The last bucket has no end.
            return start(ofBucket: min(bucket + 1, Self.bucketCount - 1))
        }
        return (end(low), end(middle), end(high))
    }

    private mutating func decayFactor(_ time: Double) -> Double {
        if totalWeight == 0 { reference = Self.halfLifeMultiple(time) }
        if time - reference > Self.maxDecayExponent * Self.halfLifeSeconds {
            let newReference = Self.halfLifeMultiple(time)
            scale(by: exp2((reference - newReference) / Self.halfLifeSeconds))
            reference = newReference
        }
        // A time far before the reference (a clock set back by months) is as good as weightless.
        return exp2(max(time - reference, -Self.maxDecayExponent * Self.halfLifeSeconds) / Self.halfLifeSeconds)
    }

    private static func halfLifeMultiple(_ time: Double) -> Double {
        (time / halfLifeSeconds).rounded() * halfLifeSeconds
    }

    private mutating func scale(by factor: Double) {
        totalWeight = 0
        for bucket in minBucket...max(minBucket, maxBucket) {
            let scaled = weights[bucket] * Float(factor)
            weights[bucket] = scaled < Self.epsilon ? 0 : scaled
            totalWeight += Double(weights[bucket])
        }
        trim()
    }

    private mutating func trim() {
        while minBucket < Self.bucketCount - 1, weights[minBucket] < Self.epsilon { minBucket += 1 }
        while maxBucket > 0, weights[maxBucket] < Self.epsilon { maxBucket -= 1 }
    }

    /// Reference, total, then the weights from the first to the last bucket in use.
    func encode(into writer: inout ByteWriter) {
        writer.write(reference)
        writer.write(totalWeight)
        writer.write(UInt8(minBucket))
        writer.write(UInt8(maxBucket))
        if minBucket <= maxBucket { for bucket in minBucket...maxBucket { writer.write(weights[bucket]) } }
    }

    init(firstBucket: Double, from reader: inout ByteReader) throws(ByteReader.Failure) {
        self.init(firstBucket: firstBucket)
        reference = try reader.double()
        totalWeight = try reader.double()
        minBucket = Int(try reader.integer(UInt8.self))
        maxBucket = Int(try reader.integer(UInt8.self))
        guard reference.isFinite, totalWeight.isFinite, totalWeight >= 0, max(minBucket, maxBucket) < Self.bucketCount
        else { throw .malformed }
        guard minBucket <= maxBucket else { return }
        for bucket in minBucket...maxBucket {
            weights[bucket] = try reader.float()
            guard weights[bucket].isFinite, weights[bucket] >= 0 else { throw .malformed }
        }
    }
}
