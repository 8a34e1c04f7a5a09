// The state vector: bounded whatever comes in, relative to the profile, and the same after a restart.

@testable import Base
@testable import Deciding
import Testing

@testable import Scaling

@Suite struct StateEncoderTests {
    private let profile = Profile()

    private func vector(_ encoder: StateEncoder) -> [Float] {
        var state = [Float](repeating: .nan, count: StateEncoder.count)
        state.withUnsafeMutableBufferPointer { encoder.write(into: $0) }
        return state
    }

    private func feature(_ encoder: StateEncoder, _ name: String) -> Float {
        vector(encoder)[StateEncoder.features.firstIndex { $0.name == name }!]
    }

    private func observe(
        _ encoder: inout StateEncoder, _ observation: Observation, _ allocation: Allocation = .make(), at time: Double,
        memoryTarget: Double? = nil
    ) {
        encoder.observe(
            observation, allocation: allocation, parts: Reward.step(observation, encoder.profile),
            memoryTarget: memoryTarget,
            time: time)
    }

    @Test func theTableNamesEveryValueOnce() {
        #expect(StateEncoder.features.count == StateEncoder.count)
        #expect(Set(StateEncoder.features.map(\.name)).count == StateEncoder.count)
        #expect(StateEncoder.features.allSatisfy { !$0.meaning.isEmpty })
    }

    @Test func isZeroBeforeTheFirstObservation() {
        #expect(vector(StateEncoder(profile)) == [Float](repeating: 0, count: StateEncoder.count))
    }

    @Test func presentFeaturesAreNormalised() {
        var encoder = StateEncoder(profile)
        observe(&encoder, .make(cpu: 0.6, memory: 0.5, latency: 1, ready: 3), at: 0, memoryTarget: Double(256 << 20))
        #expect(feature(encoder, "cpu.utilization") == 0.6)
        #expect(feature(encoder, "slo.preservation") == 0.5)
        #expect(abs(feature(encoder, "latency.log") - 0.3466) < 1e-3)
        #expect(feature(encoder, "replicas.position") == Float(3.0 / 19))
        #expect(feature(encoder, "replicas.inverse") == 0.25)
        #expect(feature(encoder, "replicas.pending") == 0.25)
        #expect(feature(encoder, "cpu.limit") == 0.5)
        #expect(feature(encoder, "memory.vpa") == 0.5)
        #expect(feature(encoder, "memory.peak60") == 0.5)
        #expect(feature(encoder, "violations10") == 0.1)
        #expect(feature(encoder, "metrics.known") == 1)
    }

    @Test func loadIsToldAsUtilizationOfThePresentAllocation() {
        var encoder = StateEncoder(profile)
        // 100 requests a second at 0.8 of 4 cores; then twice the load on four times the cores.
        for minute in 0..<10 { observe(&encoder, .make(cpu: 0.8, rate: 100), at: Double(minute) * 60) }
        observe(&encoder, .make(replicas: 16, cpu: 0.4, rate: 200), .make(replicas: 16), at: 600)
        #expect(abs(feature(encoder, "load.now") - 0.391) < 0.01)
        #expect(abs(feature(encoder, "load.lag1") - 0.195) < 0.01)
        #expect(abs(feature(encoder, "load.max30") - 0.391) < 0.01)
        #expect(abs(feature(encoder, "load.max30Fewer") - 0.417) < 0.01)
        #expect(abs(feature(encoder, "rise.overTwo") - 0.195) < 0.01)
        #expect(feature(encoder, "recency.up") == 1)
        #expect(feature(encoder, "recency.down") == 0)
    }

    @Test func demandExceedsUseWhenSaturated() {
        var encoder = StateEncoder(profile)
        for minute in 0..<20 { observe(&encoder, .make(cpu: 0.5, rate: 100), at: Double(minute) * 60) }
        observe(&encoder, .make(cpu: 1, rate: 400), at: 1200)
        #expect(abs(feature(encoder, "load.now") - 2) < 0.02)
    }

    /// The same behaviour on a four times larger scale looks the same.
    @Test func oneVectorForApplicationsOfAnySize() {
        var large = profile
        large.cpu = Profile.Bounds(min: 512, max: 8192, step: 512)
        large.memory = Profile.Bounds(min: 512 << 20, max: 12288 << 20, step: 512 << 20)
        large.objective = .latency(seconds: 2, percentile: 95)
        var small = StateEncoder(profile)
        var other = StateEncoder(large)
        var random = SplitMix(seed: 9)
        for minute in 0..<90 {
            let (cpu, memory, latency, rate) = (
                random.uniform(), random.uniform(), random.uniform(), random.uniform() * 100
            )
            let time = Double(minute) * 60
            observe(&small, .make(cpu: cpu, memory: memory, latency: latency, rate: rate), .make(), at: time)
            observe(
                &other, .make(cpu: cpu, memory: memory, latency: latency * 4, rate: rate),
                .make(cpu: 4096, memoryMiB: 2048),
                at: time)
        }
        // A core is a core: what one replica's size is worth to a latency does not scale.
        let absolute = StateEncoder.features.firstIndex { $0.name == "cpu.size" }
        for (index, pair) in zip(vector(small), vector(other)).enumerated() where index != absolute {
            // Requests in flight are four times as many, so the constant of the regression weighs a little less.
            #expect(abs(pair.0 - pair.1) < 0.02, "\(StateEncoder.features[index].name)")
        }
    }

    @Test func memoryIsIdentifiedAgainstRequestsInFlight() {
        var encoder = StateEncoder(profile)
        var random = SplitMix(seed: 10)
        // 100 MiB and 4 MiB per request in flight.
        for minute in 0..<60 {
            let rate = 40 + 360 * random.uniform()
            let inFlight = rate / 4 * 0.2
            observe(&encoder, .make(memory: (100 + 4 * inFlight) / 512, rate: rate), at: Double(minute) * 60)
        }
        observe(&encoder, .make(memory: nil, rate: 200), at: 3600)
        #expect(abs(feature(encoder, "memory.identified") - 140 / 512) < 0.01)
        #expect(abs(feature(encoder, "memory.identifiedFull") - 178 / 512) < 0.02)
    }

    @Test func oomKillsAreRemembered() {
        var encoder = StateEncoder(profile)
        observe(&encoder, .make(oomKills: 2), at: 0)
        #expect(feature(encoder, "oom.now") == 0.5)
        #expect(feature(encoder, "oom.recency") == 1)
        observe(&encoder, .make(), .make(memoryMiB: 1024), at: 600)
        #expect(feature(encoder, "oom.now") == 0)
        #expect(feature(encoder, "oom.recency") == 0.5)
        #expect(abs(feature(encoder, "oom.floor") - 0.49) < 0.01)
        #expect(feature(encoder, "recency.resize") == 1)
    }

    @Test func gapsAreFilledOrBeginAnew() {
        var encoder = StateEncoder(profile)
        observe(&encoder, .make(latency: 1, rate: 300), at: 0)
        #expect(encoder.isFresh)
        // Two steps were missed: the last value stands in.
        observe(&encoder, .make(rate: 100), at: 180)
        #expect(!encoder.isFresh)
        #expect(feature(encoder, "load.lag1") == feature(encoder, "load.lag3"))
        #expect(feature(encoder, "violations30") > 0)
        observe(&encoder, .make(rate: 100), at: 180 + 3600)
        #expect(encoder.isFresh)
        #expect(feature(encoder, "violations30") == 0)
        #expect(feature(encoder, "load.max30") == feature(encoder, "load.now"))
        // A clock that goes back a little stands still; by more than a gap it begins anew.
        observe(&encoder, .make(), at: 3700)
        #expect(!encoder.isFresh)
        observe(&encoder, .make(), at: 0)
        #expect(encoder.isFresh)
    }

    @Test func everyValueIsFiniteAndBoundedWhateverComes() {
        var random = SplitMix(seed: 11)
        for seed in 0..<20 {
            var encoder = StateEncoder(profile)
            if seed % 4 == 1 { encoder.profile.objective = .throughput(perSecond: 100) }
            if seed % 4 == 2 { encoder.profile.objective = .none }
            if seed % 4 == 3 { encoder.profile.stepSeconds = 15 }
            var time = 0.0
            for _ in 0..<500 {
                time += [0, 15, 60, 60, 61, 400, 5000, -30, -4000, .nan, .infinity, 1e18][random.below(12)]
                if !time.isFinite, random.below(3) == 0 { time = 0 }
                let allocation =
                    random.below(3) == 0
                    ? Allocation(
                        replicas: random.wildInt(), cpuMillicores: random.wildInt(), memoryBytes: random.wildInt())
                    : .make(replicas: 1 + random.below(20))
                observe(
                    &encoder, random.wildObservation(), allocation, at: time, memoryTarget: random.wildValue(upTo: 1e9))
                for (index, value) in vector(encoder).enumerated() {
                    #expect(value >= -1 && value <= 4, "\(StateEncoder.features[index].name) is \(value)")
                }
            }
        }
    }

    @Test func yesterdayTellsWhatComesNext() {
        var encoder = StateEncoder(profile)
        // A day of quarters of an hour: 0.5 cores, and 3 in the quarter that begins at noon.
        let demand = (0..<1440).map { Float($0 / 15 == 48 ? 3 : 0.5) }
        encoder.remember(demand: demand, until: 86_400)
        // Just before noon of the next day, on 4.096 cores.
        for minute in 0..<12 { observe(&encoder, .make(cpu: 0.125), at: 86_400 + 47 * 900 + Double(minute) * 60) }
        #expect(abs(feature(encoder, "day.now") - 0.122) < 0.01)
        #expect(abs(feature(encoder, "day.next") - 0.732) < 0.01)
        #expect(abs(feature(encoder, "load.max24h") - 0.732) < 0.01)
        #expect(feature(encoder, "week.next") == 0)
    }

    @Test func ownersWishesAreToldToThePolicy() {
        var saving = profile
        saving.bill.savings = 1
        saving.maxReplicas = 100
        var encoder = StateEncoder(saving)
        observe(&encoder, .make(), at: 0)
        #expect(feature(encoder, "objective.thrift") == 1)
        #expect(feature(encoder, "replicas.ofMost") == 0.04)
        #expect(feature(encoder, "latency.known") == 1)
        observe(&encoder, .make(latency: nil), at: 60)
        #expect(feature(encoder, "latency.known") == 0)
    }

    @Test func aPolicyMayNotResizeCpuAllTheTime() {
        var encoder = StateEncoder(profile)
        observe(&encoder, .make(), at: 0)
        #expect(encoder.mayResizeCpu)
        observe(&encoder, .make(), .make(cpu: 512), at: 60)
        #expect(!encoder.mayResizeCpu)
        observe(&encoder, .make(), .make(cpu: 512), at: 300)
        #expect(!encoder.mayResizeCpu)
        observe(&encoder, .make(), .make(cpu: 512), at: 360)
        #expect(encoder.mayResizeCpu)
    }

    @Test func stateSurvivesEncoding() throws {
        var random = SplitMix(seed: 12)
        var encoder = StateEncoder(profile)
        for step in 0..<1000 {
            if step % 37 == 0 {
                let bytes = ByteWriter.encoding { encoder.encode(into: &$0) }
                #expect(bytes.count < 1300)
                var reader = ByteReader(bytes)
                let copy = try StateEncoder(profile, from: &reader)
                #expect(reader.isAtEnd)
                #expect(vector(copy) == vector(encoder))
                encoder = copy
                #expect(ByteWriter.encoding { copy.encode(into: &$0) } == bytes)
            }
            observe(
                &encoder, .make(cpu: random.uniform(), rate: random.uniform() * 100),
                .make(replicas: 1 + random.below(9)),
                at: Double(step) * 60 + random.uniform() * 20)
        }
    }

    @Test func damagedStateThrowsOrStaysBounded() {
        var random = SplitMix(seed: 13)
        var encoder = StateEncoder(profile)
        for step in 0..<100 { observe(&encoder, random.wildObservation(), at: Double(step) * 60) }
        let bytes = ByteWriter.encoding { encoder.encode(into: &$0) }
        for length in 0..<bytes.count {
            var reader = ByteReader(Array(bytes[..<length]))
            #expect(throws: ByteReader.Failure.self) { try StateEncoder(profile, from: &reader) }
        }
        for _ in 0..<3000 {
            var damaged = bytes
            damaged[random.below(bytes.count)] = UInt8(random.below(256))
            var reader = ByteReader(damaged)
            guard var read = try? StateEncoder(profile, from: &reader) else { continue }
            observe(&read, .make(), at: 7000)
            #expect(vector(read).allSatisfy { $0 >= -1 && $0 <= 4 })
        }
    }

    @Test func slotsToleratateJitterAndShorterSteps() {
        var history = LoadHistory()
        var random = SplitMix(seed: 14)
        for step in 0..<100 {
            history.add(
                load: Float(step), memory: nil, time: Double(step) * 60 + random.uniform() * 40 - 20, slotSeconds: 60)
        }
        for lag in 0...30 { #expect(history.load(lag) == Float(99 - lag)) }
        history.reset()
        for step in 0..<8 {
            history.add(load: Float(step), memory: Float(step), time: Double(step) * 15, slotSeconds: 60)
        }
        // 0 and 15 s; then 30 to 75 s round to the next slot; then 90 s on.
        #expect(history.load(2) == 0.5 && history.load(1) == 3.5 && history.load(0) == 6.5)
        #expect(history.highestPeaks() == (7, 7) && history.peak(1) == 5)
    }

    @Test func risesAreTheLargestOfTheHalfHour() {
        var history = LoadHistory()
        var level: Float = 0
        // 29 rises of 1...29 in mixed order.
        for (slot, rise) in ([0] + (1...29).map { Float(($0 * 7) % 29 + 1) }).enumerated() {
            level += rise
            history.add(load: level, memory: nil, time: Double(slot) * 60, slotSeconds: 60)
        }
        let summary = history.loadSummary()
        #expect(summary.rise == (24, 28))
        #expect(summary.riseOverTwo >= 29)
        #expect(summary.ten.max == level && summary.thirty.min == 0)
    }
}
