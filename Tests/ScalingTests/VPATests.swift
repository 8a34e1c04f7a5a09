// The vertical rule: buckets, decay, peaks, margins and bounds as in Kubernetes' recommender.

@testable import Base
import Testing

@testable import Scaling

@Suite struct DecayingHistogramTests {
    @Test func bucketsGrowByFivePercent() {
        let histogram = DecayingHistogram(firstBucket: 0.01)
        #expect(histogram.start(ofBucket: 0) == 0)
        #expect(abs(histogram.start(ofBucket: 1) - 0.01) < 1e-12)
        #expect(abs(histogram.start(ofBucket: 2) - 0.0205) < 1e-12)
        #expect(abs(histogram.start(ofBucket: 3) - 0.031525) < 1e-12)
        #expect(histogram.bucket(of: 0) == 0)
        #expect(histogram.bucket(of: 0.0099) == 0)
        #expect(histogram.bucket(of: 0.0101) == 1)
        #expect(histogram.bucket(of: 1e9) == 175)
        #expect(histogram.start(ofBucket: 175) > 1000)
        for bucket in 1..<176 {
            let middle = (histogram.start(ofBucket: bucket) + histogram.start(ofBucket: bucket) * 1.02) / 2
            if bucket > 40 { #expect(histogram.bucket(of: middle) == bucket) }
        }
    }

    @Test func percentilesAreEndsOfBuckets() {
        var histogram = DecayingHistogram(firstBucket: 1)
        #expect(histogram.isEmpty)
        #expect(histogram.percentiles(0.5, 0.9, 0.95) == (0, 0, 0))
        // Kubernetes' histogram test: three samples of 1, 2 and 3 in buckets of equal weight.
        for value in [0.5, 1.5, 2.5] { histogram.add(value, weight: 1, time: 0) }
        let found = histogram.percentiles(0.3, 0.6, 1)
        #expect(found.low == histogram.start(ofBucket: 1))
        #expect(found.middle == histogram.start(ofBucket: 2))
        #expect(found.high == histogram.start(ofBucket: 3))
    }

    @Test func samplesLoseHalfOfTheirWeightInADay() {
        // Kubernetes' TestSimpleDecay: 100 samples of 2 now weigh as much as 50 a half-life later.
        var histogram = DecayingHistogram(firstBucket: 1)
        histogram.add(2.5, weight: 1000, time: 0)
        histogram.add(1.2, weight: 1, time: 20 * 86_400)
        #expect(histogram.percentiles(0.5, 0.9, 0.999).high == histogram.start(ofBucket: 2))
        #expect(histogram.percentiles(0.5, 0.9, 0.9999).high == histogram.start(ofBucket: 3))
    }

    @Test func referenceMovesWithoutChangingPercentiles() {
        var histogram = DecayingHistogram(firstBucket: 0.01)
        var random = SplitMix(seed: 5)
        // Two years of hourly samples: the reference has to move several times.
        for hour in 0..<17_520 {
            histogram.add(0.4 + 0.2 * random.uniform(), weight: 1, time: Double(hour) * 3600)
            let found = histogram.percentiles(0.5, 0.9, 0.95)
            #expect(found.low.isFinite && found.high < 0.65 && found.low > 0.39)
        }
    }

    @Test func subtractTakesASampleBack() {
        var histogram = DecayingHistogram(firstBucket: 1)
        histogram.add(5, weight: 1, time: 100)
        histogram.add(50, weight: 1, time: 100)
        histogram.subtract(50, weight: 1, time: 100)
        #expect(histogram.percentiles(0.5, 0.9, 1).high == histogram.start(ofBucket: histogram.bucket(of: 5) + 1))
        histogram.subtract(5, weight: 1, time: 100)
        #expect(histogram.isEmpty)
    }
}

@Suite struct VPATests {
    private let mebibyte = Double(1 << 20)

    private func observe(
        _ vpa: inout VPA, cpu: Double? = nil, memoryMiB: Double? = nil, oom: Bool = false, at time: Double
    ) {
        vpa.observe(
            cpuCores: cpu, cpuLimit: 1, memoryBytes: memoryMiB.map { $0 * mebibyte }, memoryLimit: 512 * mebibyte,
            isOom: oom,
            time: time)
    }

    @Test func targetIsTheNinetiethPercentileAndAMargin() throws {
        var vpa = VPA()
        #expect(vpa.cpuEstimate() == nil)
        for minute in 0..<1000 { observe(&vpa, cpu: minute % 10 == 0 ? 0.9 : 0.3, at: Double(minute) * 60) }
        let histogram = DecayingHistogram(firstBucket: 0.01)
        let estimate = try #require(vpa.cpuEstimate())
        let bucketEnd = histogram.start(ofBucket: histogram.bucket(of: 0.3) + 1)
        #expect(abs(estimate.target - bucketEnd * 1.15) < 1e-9)
        let highEnd = histogram.start(ofBucket: histogram.bucket(of: 0.9) + 1)
        // 999 minutes: 0.69375 days between the first and the last, 0.694 days' worth of samples.
        #expect(abs(estimate.upper - highEnd * 1.15 * (1 + 1 / 0.69375)) < 1e-9)
        #expect(abs(estimate.lower - bucketEnd * 1.15 / ((1 + 0.001 / 0.69375) * (1 + 0.001 / 0.69375))) < 1e-9)
    }

    @Test func confidenceFollowsTheDocumentedTable() {
        // The comment in logic/recommender.go: 12 h of history: * 3, 24 h: * 2, one week: * 1.14.
        for (hours, factor) in [(12.0, 3.0), (24, 2), (168, 1 + 1.0 / 7)] {
            var vpa = VPA()
            for minute in 0...Int(hours * 60) { observe(&vpa, cpu: 0.5, at: Double(minute) * 60) }
            let estimate = vpa.cpuEstimate()!
            #expect(abs(estimate.upper / estimate.target - factor) < 0.01)
        }
    }

    @Test func withoutHistoryBoundsAreOpen() {
        var vpa = VPA()
        observe(&vpa, cpu: 0.5, at: 0)
        #expect(vpa.cpuEstimate()?.lower == 0)
        #expect(vpa.cpuEstimate()?.upper == .infinity)
    }

    @Test func memoryCountsOncePerDayWithItsPeak() throws {
        var vpa = VPA()
        // Nine tenths of the samples are small, but each day has one peak: the peak is what counts.
        for minute in 0..<(3 * 1440) {
            observe(&vpa, memoryMiB: minute % 1440 == 700 ? 400 : 100, at: Double(minute) * 60)
        }
        let histogram = DecayingHistogram(firstBucket: 1e7)
        let end = histogram.start(ofBucket: histogram.bucket(of: 400 * mebibyte) + 1)
        let estimate = try #require(vpa.memoryEstimate())
        #expect(abs(estimate.target - end * 1.15) < 1)
    }

    @Test func anOomKillBumpsByAHundredMebibytesOrAFifth() throws {
        let histogram = DecayingHistogram(firstBucket: 1e7)
        func target(limitMiB: Double) -> Double {
            var vpa = VPA()
            vpa.observe(
                cpuCores: nil, cpuLimit: 1, memoryBytes: 0.9 * limitMiB * mebibyte, memoryLimit: limitMiB * mebibyte,
                isOom: true, time: 0)
            return vpa.memoryEstimate()!.target
        }
        func expected(_ mebibytes: Double) -> Double {
            histogram.start(ofBucket: histogram.bucket(of: mebibytes * mebibyte) + 1) * 1.15
        }
        #expect(target(limitMiB: 200) == expected(300))
        #expect(target(limitMiB: 1000) == expected(1200))
    }

    @Test func outOfOrderSamplesAreDiscarded() {
        var vpa = VPA()
        observe(&vpa, cpu: 0.5, memoryMiB: 100, at: 1000)
        let before = ByteWriter.encoding { vpa.encode(into: &$0) }
        observe(&vpa, cpu: 0.9, memoryMiB: 900, at: 999)
        observe(&vpa, cpu: .nan, memoryMiB: -1, at: 2000)
        observe(&vpa, cpu: -1, memoryMiB: .infinity, at: 2000)
        observe(&vpa, cpu: nil, memoryMiB: 0, at: 2000)
        #expect(ByteWriter.encoding { vpa.encode(into: &$0) } == before)
    }
}

@Suite struct RulesTests {
    private let profile = Profile()

    /// Rules whose sizes follow the recommender at once, without the updater.
    private func atOnce(_ options: Rules.Options) -> Rules {
        var options = options
        options.actsAtOnce = true
        return Rules(profile, options: options)
    }

    /// As upstream's updater: bounds that are wide at first, twelve hours and a tenth inside them, at once after a kill.
    @Test func sizesChangeWhenTheUpdaterWouldChangeThem() {
        var rules = Rules(profile)
        var current = Allocation.make(memoryMiB: 1000)
        func step(_ hour: Double, memory: Double, kills: Int = 0) -> Int {
            var seen = Observation.make(cpu: 0.6, memory: memory)
            seen.oomKills = kills
            current.memoryBytes = rules.recommend(seen, current: current, time: hour * 3600).memoryBytes
            return current.memoryBytes >> 20
        }
        // Minutes of history are no reason to cut, half a day within the bounds is.
        for minute in 0..<60 { #expect(step(Double(minute) / 60, memory: 0.5) == 1000) }
        for hour in 1..<12 { #expect(step(Double(hour), memory: 0.5) == 1000) }
        let cut = step(12.5, memory: 0.5)
        #expect((560...640).contains(cut))
        // A small difference changes nothing for twelve hours more.
        for hour in 13..<26 { #expect(step(Double(hour), memory: 0.52 * 1000 / Double(cut)) == cut) }
        // A kill does at once.
        #expect(step(26.5, memory: 0.3, kills: 1) >= cut + 100)
    }

    @Test func hpaOnCpuAndVpaOnMemoryByDefault() {
        var rules = atOnce(Rules.Options(profile))
        let next = rules.recommend(.make(cpu: 0.9, memory: 0.9), current: .make(), time: 0)
        #expect(next.replicas == 6)
        #expect(next.cpuMillicores == 1024)
        // 460.8 MiB used: the bucket's end and 15 %, in whole MiB.
        #expect(next.memoryBytes > 530 << 20 && next.memoryBytes < 570 << 20)
        #expect(next.memoryBytes % (1 << 20) == 0)
        #expect(rules.memoryRecommendation!.target == next.memoryBytes)
        #expect(rules.memoryRecommendation!.lowerBound == profile.memory.min)
        #expect(rules.memoryRecommendation!.upperBound == profile.memory.max)
    }

    /// A kill speaks against the limit that the rules gave, not against what somebody else gave instead of it.
    @Test func killsAtAForeignLimitAreNotTheRules() {
        let limits = (own: 256 << 20, foreign: 140 << 20)
        func target(killedAt limit: Int, kills: Int) -> Int {
            var rules = Rules(Profile())
            var target = 0
            for minute in 0..<20 {
                var observation = Observation(replicas: 3)
                observation.cpuUtilization = 0.5
                observation.oomKills = minute == 10 ? kills : 0
                let current = Allocation(
                    replicas: 3, cpuMillicores: 1000, memoryBytes: minute == 10 ? limit : limits.own)
                observation.memoryUtilization = Double(130 << 20) / Double(current.memoryBytes)
                target = rules.recommend(observation, current: current, time: Double(minute * 60)).memoryBytes
            }
            return target
        }
        let quiet = target(killedAt: limits.own, kills: 0)
        #expect(quiet > limits.foreign)
        #expect(target(killedAt: limits.foreign, kills: 1) == quiet)
        #expect(target(killedAt: limits.own, kills: 1) > limits.own + 100 << 20)
    }

    @Test func floorIsTheProfilesMinimumUnlessSaidOtherwise() {
        var rules = atOnce(Rules.Options(profile))
        #expect(rules.recommend(.make(memory: 0.05), current: .make(), time: 0).memoryBytes == 128 << 20)
        rules = atOnce(.kubernetesDefault)
        let next = rules.recommend(.make(cpu: 0.001, memory: 0.05), current: .make(), time: 0)
        #expect(next.memoryBytes == 250 << 20)
        // Kubernetes' 25m lie below the profile's limit.
        #expect(next.cpuMillicores == 128)
        #expect(rules.cpuRecommendation!.uncappedTarget == 25)
    }

    @Test func modesChangeOnlyTheirDimensions() {
        let busy = Observation.make(cpu: 0.95, memory: 0.9)
        func next(_ options: Rules.Options) -> Allocation {
            var rules = atOnce(options)
            return rules.recommend(busy, current: .make(), time: 0)
        }
        #expect(next(Rules.Options(mode: .replicas)) == .make(replicas: 6))
        let vertical = next(Rules.Options(mode: .vertical))
        #expect(vertical.replicas == 4 && vertical.cpuMillicores > 1024 && vertical.memoryBytes > 512 << 20)
        let all = next(Rules.Options(mode: .all))
        #expect(all.replicas == 6 && all.cpuMillicores > 1024 && all.memoryBytes > 512 << 20)
        let fixed = next(Rules.Options(fixedCpu: 512, fixedMemory: 300 << 20))
        // The count is one of the size that comes with it: twice as many of half the size, as far as HPA goes at once.
        #expect(fixed == .make(replicas: 8, cpu: 512, memoryMiB: 300))
    }

    @Test func missingMetricsChangeNothing() {
        var rules = Rules(profile)
        #expect(rules.recommend(Observation(replicas: 4), current: .make(), time: 0) == .make())
        #expect(rules.memoryRecommendation == nil)
    }

    @Test func stateSurvivesEncoding() throws {
        var random = SplitMix(seed: 6)
        var rules = Rules(profile)
        var current = Allocation.make()
        for step in 0..<2000 {
            let time = Double(step) * 60
            if step % 100 == 50 {
                let bytes = ByteWriter.encoding { rules.encode(into: &$0) }
                #expect(bytes.count < 2500)
                var reader = ByteReader(bytes)
                var copy = try Rules(profile, from: &reader)
                #expect(reader.isAtEnd)
                #expect(ByteWriter.encoding { copy.encode(into: &$0) } == bytes)
                let observation = Observation.make(cpu: random.uniform(), memory: random.uniform())
                let expected = rules.recommend(observation, current: current, time: time)
                #expect(copy.recommend(observation, current: current, time: time) == expected)
            }
            current = rules.recommend(random.wildObservation(), current: current, time: time)
            #expect(profile.clamp(current) == current)
        }
    }

    @Test func anyObservedAllocationIsSafe() {
        var random = SplitMix(seed: 19)
        for mode in Rules.Mode.allCases {
            var rules = Rules(profile, options: Rules.Options(mode: mode))
            var time = 0.0
            for _ in 0..<3000 {
                time += [0, 60, 60, -60, 1e9, -1e9, .nan][random.below(7)]
                if !time.isFinite, random.below(2) == 0 { time = 0 }
                let current = Allocation(
                    replicas: random.wildInt(), cpuMillicores: random.wildInt(), memoryBytes: random.wildInt())
                let next = rules.recommend(random.wildObservation(), current: current, time: time)
                #expect(profile.clamp(next) == next)
                for status in [rules.cpuRecommendation, rules.memoryRecommendation] {
                    if let status { #expect(status.lowerBound <= status.upperBound && status.uncappedTarget >= 0) }
                }
            }
        }
    }

    @Test func damagedStateThrows() throws {
        var rules = Rules(profile)
        for step in 0..<50 { _ = rules.recommend(.make(), current: .make(), time: Double(step) * 60) }
        let bytes = ByteWriter.encoding { rules.encode(into: &$0) }
        var random = SplitMix(seed: 7)
        for length in 0..<bytes.count {
            var reader = ByteReader(Array(bytes[..<length]))
            #expect(throws: ByteReader.Failure.self) { try Rules(profile, from: &reader) }
        }
        for _ in 0..<2000 {
            var damaged = bytes
            damaged[random.below(bytes.count)] = UInt8(random.below(256))
            var reader = ByteReader(damaged)
            if var read = try? Rules(profile, from: &reader) {
                let next = read.recommend(.make(oomKills: 1), current: .make(), time: 1e6)
                #expect(profile.clamp(next) == next)
            }
        }
    }
}
