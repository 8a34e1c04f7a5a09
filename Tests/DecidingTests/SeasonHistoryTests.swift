// The season's ring against a list that forgets nothing.

import Base
import Testing

@testable import Deciding

@Suite struct SeasonHistoryTests {
    @Test func peaksAreThoseOfTheirSlots() {
        var history = SeasonHistory()
        var generator = RandomGenerator(seed: 7)
        var peaks: [Int: Float] = [:]
        var (time, now) = (1e6, 0)
        func value(_ slot: Int) -> Float { slot > now - 676 ? peaks[slot] ?? 0 : 0 }
        func highest(_ count: Int) -> Float { (0..<count).map { value(now - $0) }.max()! }
        #expect(history.highest() == (0, 0, 0, 0))
        for _ in 0..<6000 {
            // Now and then nobody asks for hours.
            time += generator.uniform() < 0.01 ? Double(generator.below(40_000)) : Double(60 + generator.below(400))
            let load = generator.uniform() * 10
            history.add(load, time: time)
            now = Int((time / 900).rounded(.down))
            // As a bfloat16.
            peaks[now] = max(peaks[now] ?? 0, Float(bitPattern: load.bitPattern & 0xFFFF_0000))
            #expect(history.highest() == (highest(4), highest(12), highest(24), highest(96)))
            for back in [SeasonHistory.day, SeasonHistory.week] {
                let start = now - back
                let wanted = (value(start), value(start + 1), max(value(start + 2), value(start + 3)))
                #expect(history.ago(back) == wanted)
            }
        }
    }
}
