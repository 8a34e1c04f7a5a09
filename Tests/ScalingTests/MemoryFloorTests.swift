// What memory is kept: peaks and kills of five weeks, the owner's limit on the first day.

import Testing
@testable import Base
@testable import Scaling

@Suite struct MemoryFloorTests {
    private static let day = 86_400.0

    private func seen(_ share: Double?, kills: Int? = 0, peak: Double? = nil) -> Observation {
        var observation = Observation(replicas: 2)
        observation.memoryUtilization = share
        observation.memoryPeakUtilization = peak
        observation.oomKills = kills
        return observation
    }

    /// MiB.
    private func observe(
        _ floor: inout MemoryFloor, _ observation: Observation, limit: Int, owners: Bool = false, at time: Double
    ) -> (keep: Int, raise: Int) {
        floor.observe(observation, limit: limit << 20, isOwners: owners, time: time)
        let need = floor.need(at: time)
        return (need.keep >> 20, need.raise >> 20)
    }

    @Test func theOwnersLimitHoldsForADayAndHalfOfItForTheNext() {
        var floor = MemoryFloor()
        #expect(observe(&floor, seen(0.2), limit: 1500, at: 100).keep == 1500)
        #expect(observe(&floor, seen(0.2), limit: 1500, at: 0.99 * Self.day).keep == 1500)
        // 300 MiB were used, by a mean over replicas.
        for (days, kept) in [(1.1, 375 + 1125 / 2), (2.1, 375 + 1125 / 4), (4.9, 375 + 1125 / 16), (5.1, 375), (9, 375)] {
            let next = observe(&floor, seen(0.2), limit: 1500, at: days * Self.day)
            #expect(abs(next.keep - kept) <= 1 && next.raise == 0, "after \(days) days")
        }
    }

    @Test func theOwnersLimitHoldsForGoodWhereTheUseIsNeverMeasured() {
        var floor = MemoryFloor()
        for days in [0.0, 1.5, 3, 10] { #expect(observe(&floor, seen(nil), limit: 1500, at: days * Self.day).keep == 1500) }
        #expect(observe(&floor, seen(0.2), limit: 1500, at: 11 * Self.day).keep == 375)
    }

    @Test func reportedPeaksNeedLessMarginAndUnreportedKillsMore() {
        var peaks = MemoryFloor()
        _ = observe(&peaks, seen(0.2, peak: 0.3), limit: 1000, at: 0)
        #expect(abs(observe(&peaks, seen(0.1, peak: 0.1), limit: 1000, at: 1.5 * Self.day).keep - (344 + 656 / 2)) <= 1, "half of the owner's is left")
        var silent = MemoryFloor()
        _ = observe(&silent, seen(0.3, kills: nil), limit: 1000, at: 0)
        _ = observe(&silent, seen(0.3, kills: nil), limit: 1000, at: 1.5 * Self.day)
        #expect(silent.need(at: 1.5 * Self.day).keep >> 20 == 390 + 610 / 2 && silent.need(at: 1.5 * Self.day).isSuspicious)
    }

    @Test func aFortnightlyJobIsRememberedForFiveWeeks() {
        var floor = MemoryFloor()
        _ = observe(&floor, seen(0.8), limit: 1000, at: 0)
        for day in 1..<34 {
            let need = observe(&floor, seen(0.1), limit: 1000, at: Double(day) * Self.day + 5000)
            #expect(need.keep >= 840, "day \(day): \(need.keep)")
        }
        _ = observe(&floor, seen(0.1), limit: 1000, at: 37 * Self.day)
        #expect(observe(&floor, seen(0.1), limit: 1000, at: 37.1 * Self.day).keep < 200)
    }

    @Test func whoWasKilledBelowTheOwnersLimitGetsItBack() {
        var floor = MemoryFloor()
        _ = observe(&floor, seen(0.2), limit: 2000, at: 0)
        let killed = observe(&floor, seen(0.3, kills: 1), limit: 500, at: 8 * Self.day)
        #expect(killed.raise == 2000)
        // At the owner's own limit it is VPA's bump: a fifth more, at least 100 MiB.
        #expect(observe(&floor, seen(0.3, kills: 1), limit: 2000, at: 8 * Self.day + 60).raise == 2400)
    }

    @Test func reportsOfKillsAreBoundedByWhatIsUsed() {
        var floor = MemoryFloor()
        var limit = 400
        for minute in 0..<60 {
            let used = 300.0 / Double(limit)
            let need = observe(&floor, seen(used, kills: 1), limit: limit, at: Double(minute) * 240)
            limit = max(limit, need.raise)
        }
        #expect(limit == 1200, "four times the highest use")
    }

    @Test func aSlowLeakIsAheadOfTheLimitWithFewResizes() {
        var floor = MemoryFloor()
        var (limit, resizes) = (600, 0)
        for step in 0..<400 {
            let used = 400 * (1 + Double(step) / 400)
            #expect(used <= Double(limit), "step \(step)")
            let need = observe(&floor, seen(used / Double(limit)), limit: limit, at: Double(step) * 300)
            if need.raise > limit {
                limit = need.raise
                resizes += 1
            }
        }
        #expect((1...4).contains(resizes), "\(resizes) resizes")
    }

    @Test func aLowerLimitByTheOwnerIsNotUndone() {
        var floor = MemoryFloor()
        _ = observe(&floor, seen(0.9), limit: 2000, at: 0)
        let lowered = observe(&floor, seen(0.3), limit: 800, owners: true, at: 3 * Self.day)
        #expect(lowered.keep == 800 && lowered.raise == 0)
        #expect(observe(&floor, seen(0.3), limit: 800, at: 5 * Self.day).keep <= 800)
    }

    @Test func stateSurvivesEncoding() throws {
        var floor = MemoryFloor()
        for day in 0..<50 { _ = observe(&floor, seen(Double(day % 7) / 10, kills: day % 3), limit: 700, at: Double(day) * Self.day) }
        let bytes = ByteWriter.encoding { floor.encode(into: &$0) }
        var reader = ByteReader(bytes)
        let copy = try MemoryFloor(from: &reader)
        #expect(reader.isAtEnd && copy.need(at: 50 * Self.day) == floor.need(at: 50 * Self.day))
        #expect(ByteWriter.encoding { copy.encode(into: &$0) } == bytes)
        #expect(MemoryLayout<MemoryFloor>.size < 400)
    }
}
