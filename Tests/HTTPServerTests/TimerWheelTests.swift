// The timer wheel, with time as a parameter.

import Testing

@testable import HTTPServer

@Suite struct TimerWheelTests {
    private let tick = TimerWheel.tickNanoseconds

    private func expect(
        _ wheel: inout TimerWheel, at now: UInt64, _ keys: Set<UInt64>, location: SourceLocation = #_sourceLocation
    ) {
        let fired = wheel.expired(now: now).map(\.key)
        #expect(fired.count == keys.count && Set(fired) == keys, sourceLocation: location)
    }

    @Test func firesOnceWhenTheTimeHasCome() {
        var wheel = TimerWheel(now: 0)
        _ = wheel.add(1, deadline: 10 * tick)
        _ = wheel.add(2, deadline: 20 * tick)
        expect(&wheel, at: 9 * tick, [])
        expect(&wheel, at: 12 * tick, [1])
        expect(&wheel, at: 19 * tick, [])
        expect(&wheel, at: 100 * tick, [2])
        expect(&wheel, at: 5000 * tick, [])
    }

    @Test func asksAgainAboutDeadlinesBeyondATurn() {
        var wheel = TimerWheel(now: 0)
        let far = wheel.add(1, deadline: 5000 * tick)
        #expect(far < 1024, "the owner will be asked early and add it again")
        expect(&wheel, at: far * tick, [1])
    }

    @Test func survivesALongSleepAndPastDeadlines() {
        var wheel = TimerWheel(now: 1_000_000 * tick)
        _ = wheel.add(1, deadline: 3)
        _ = wheel.add(2, deadline: .max / 2)
        expect(&wheel, at: 9_000_000 * tick, [1, 2])
    }
}
