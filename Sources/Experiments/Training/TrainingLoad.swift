// The load of one stay in training: generated or recorded, warped in time, with the days before it where they are known.

import Base
import ClusterModel

/// A window of load and the minutes before it, in arbitrary units.
struct TrainingLoad {
    var window: [Double]
    var past: [Double] = []

    private static let subSteps = 12
    private static let day = 17_280

    static func draw(
        _ curriculum: ClusterCurriculum, steps: Int, using random: inout SimulationRandom
    ) -> TrainingLoad {
        guard !curriculum.traces.isEmpty, random.uniform() >= curriculum.generatedShare else {
            return generated(curriculum, steps: steps, using: &random)
        }
        let trace = curriculum.traces[Int(random.next() % UInt64(curriculum.traces.count))]
        return recorded(trace, steps: steps, using: &random)
            ?? generated(curriculum, steps: steps, using: &random)
    }

    private static func generated(
        _ curriculum: ClusterCurriculum, steps: Int, using random: inout SimulationRandom
    ) -> TrainingLoad {
        var options = LoadGenerator.Options.random(using: &random)
        if random.uniform() < curriculum.surgeShare { options = .surging(using: &random) }
        curriculum.bursts.apply(to: &options, using: &random)
        var past: [Double] = []
        let isSeasonal = random.uniform() < curriculum.seasonShare
        if isSeasonal {
            options.daySeconds = 86_400
            options.daily = random.uniform(0.2...0.9)
        }
        var generator = LoadGenerator(options: options, seed: random.next())
        if isSeasonal {
            let minutes = random.uniform() < 0.15 ? 8 * 1440 : 1440 + Int(random.uniform(0...720))
            past = (0..<minutes).map { _ in
                var sum = 0.0
                for _ in 0..<subSteps { sum += generator.next() }
                return sum / Double(subSteps)
            }
        }
        return TrainingLoad(window: (0..<steps * subSteps).map { _ in generator.next() }, past: past)
    }

    /// A window of the trace's training part, played 0.5 to 2 times as fast; unwarped ones keep the day before them.
    private static func recorded(
        _ trace: LoadTrace, steps: Int, using random: inout SimulationRandom
    ) -> TrainingLoad? {
        let range = Scenario.Part.training.range
        let first = Int(Double(trace.subStepCount) * range.lowerBound)
        let end = Int(Double(trace.subStepCount) * range.upperBound)
        let count = steps * subSteps
        let speed = random.uniform() < 0.5 ? 1 : random.logUniform(0.5...2)
        let needed = min(Int(Double(count) * speed) + 2, end - first)
        guard needed >= 200 else { return nil }
        for _ in 0..<20 {
            let start = Int.random(in: first...end - needed, using: &random)
            guard let raw = trace.shape(start..<start + needed), raw.reduce(0, +) > 0 else { continue }
            var window = (0..<count).map { index -> Double in
                // A trace that is too short is played forth and back.
                let place = Int(Double(index) * speed) % max(2 * needed - 2, 1)
                return raw[place < needed ? place : 2 * needed - 2 - place]
            }
            let noise = random.uniform(0...0.06)
            for index in window.indices { window[index] = max(0, window[index] * (1 + noise * random.normal())) }
            var past: [Double] = []
            if speed == 1, start >= day, let before = trace.shape(start - day..<start) {
                past = stride(from: 0, to: day, by: subSteps).map { before[$0 + subSteps / 2] }
            }
            return TrainingLoad(window: window, past: past)
        }
        return nil
    }
}

extension SimulationRandom {
    /// Log-uniform in a range of positive numbers.
    mutating func logUniform(_ range: ClosedRange<Double>) -> Double {
        Base.exponential(uniform(Base.logarithm(range.lowerBound)...Base.logarithm(range.upperBound)))
    }
}
