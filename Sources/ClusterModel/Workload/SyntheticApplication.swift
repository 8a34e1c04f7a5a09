// An application that does not exist, with a name, a cost per request and an objective: what controllers are tried on.

import Base
import Scaling

/// One to three segments whose demands were multiplied by factors of the application's own (AWARE, USENIX ATC 2023).
public struct SyntheticApplication: Sendable, Equatable {
    /// The segments' names joined by `.`, which is a DNS-1123 subdomain and unique in a generated set.
    public let name: String
    public let segments: [Segment]
    public var service: ServiceModel
    /// The latency objective in seconds: three to five times an idle replica's p99 at one core.
    public var sloSeconds: Double
    /// One core, and 1.2 times the memory that sixteen requests need, in whole MiB and at least 128.
    public var defaultSize: Allocation

    /// The percentile that every synthetic objective is stated at.
    public static let percentile = 99.0
    /// Sizes at which the paper's generator profiled its functions: millicores and MiB, 36 combinations (AWARE, USENIX ATC 2023).
    public static let publishedSizes = [128, 256, 512, 1024, 1536, 2048]
    /// Sequences of one to three of the sixteen segments: as many unique applications exist.
    public static let sequenceCount = 16 + 16 * 16 + 16 * 16 * 16

    /// An application of `segments`; its factors (0.6 to 1.7, log-uniform), objective and start-up come from `seed`.
    public init(segments: [Segment], seed: UInt64) {
        precondition((1...3).contains(segments.count), "an application has one to three segments")
        var random = SimulationRandom(seed: seed)
        func factor() -> Double { exponential(random.uniform(logarithm(0.6)...logarithm(1.7))) }
        let (cpu, io, base, each) = (factor(), factor(), factor(), factor())
        var work = SIMD4<Double>(repeating: 0)
        var parallelism = SIMD4<Double>(repeating: 1)
        for (lane, segment) in segments.enumerated() {
            work[lane] = segment.cpuSeconds * cpu
            parallelism[lane] = segment.parallelism
        }
        // One process runs the segments in turn: it keeps the largest one's libraries, and a request in flight holds
        // the memory of one segment at a time.
        service = ServiceModel(
            work: work, parallelism: parallelism, ioSeconds: segments.reduce(0) { $0 + $1.ioSeconds } * io,
            baseBytes: segments.reduce(0) { max($0, $1.baseBytes) } * base,
            bytesPerRequest: segments.reduce(0) { max($0, $1.bytesPerRequest) } * each,
            startupSeconds: random.uniform(30...60))
        sloSeconds =
            random.uniform(3...5) * service.latency(cores: 1, load: 0, percentile: Self.percentile)
        let full = service.baseBytes + ServiceModel.requestsInFlightMax * service.bytesPerRequest
        defaultSize = Allocation(
            replicas: 2, cpuMillicores: 1024, memoryBytes: max(128, Int((1.2 * full / 1_048_576).rounded(.up))) << 20)
        self.segments = segments
        name = segments.map(\.name).joined(separator: ".")
    }

    /// An application that was measured or fitted elsewhere.
    public init(name: String, service: ServiceModel, sloSeconds: Double, defaultSize: Allocation) {
        self.name = name
        segments = []
        self.service = service
        self.sloSeconds = sloSeconds
        self.defaultSize = defaultSize
    }

    /// The default profile with this application's objective.
    public var profile: Profile {
        var profile = Profile()
        profile.objective = .latency(seconds: sloSeconds, percentile: Self.percentile)
        return profile
    }

    /// Requests per second that the largest allocation of `profile` serves within the objective: the unit of load.
    public func capacity(profile: Profile) -> Double {
        Double(profile.maxReplicas)
            * service.capacity(
                cores: Double(profile.cpu.max) / 1000, within: sloSeconds, percentile: Self.percentile)
    }

    /// `count` applications with unique sequences, the same for the same seed. At most `sequenceCount` exist.
    public static func generate(count: Int, seed: UInt64) -> [SyntheticApplication] {
        precondition((0...sequenceCount).contains(count), "only \(sequenceCount) unique sequences exist")
        var random = SimulationRandom(seed: seed)
        var seen = Set<[Segment]>()
        var applications: [SyntheticApplication] = []
        applications.reserveCapacity(count)
        while applications.count < count {
            let length = Int.random(in: 1...3, using: &random)
            let segments = (0..<length).map { _ in Segment.all[Int.random(in: 0..<Segment.all.count, using: &random)] }
            guard seen.insert(segments).inserted else { continue }
            applications.append(SyntheticApplication(segments: segments, seed: random.next()))
        }
        return applications
    }

    /// The set that the product is trained and judged on: 1,000 applications, shuffled by `seed`, 800 to train on
    /// and 200 to test on.
    public static func split(seed: UInt64, count: Int = 1000) -> (training: [Self], test: [Self]) {
        var random = SimulationRandom(seed: seed, index: 1)
        let shuffled = generate(count: count, seed: seed).shuffled(using: &random)
        let cut = count * 4 / 5
        return (Array(shuffled[..<cut]), Array(shuffled[cut...]))
    }
}
