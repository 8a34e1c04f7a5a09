// Invented load without end: seasons, ramps, bursts, flash crowds and drift, drawn sub-step by sub-step.

import Base

/// A stream of load around 1 (its usual daily peak). The same seed gives the same stream.
public struct LoadGenerator: Sendable {
    /// Which of the ingredients a stream has, and how strong they are.
    public struct Options: Sendable, Equatable {
        /// Depth of the daily and weekly seasons, 0..1: at night the load falls to 1 - depth.
        public var daily = 0.5
        public var weekly = 0.2
        /// Length of a simulated day in seconds: a day of four hours shows a season within an episode of 100 minutes.
        public var daySeconds = 14_400.0
        /// Deviation of the noise between sub-steps, and of the slow wander of the level.
        public var noise = 0.05
        public var wander = 0.15
        /// Bursts an hour (seconds long), flash crowds a day (minutes long), ramps a day (to another level for good).
        public var burstsPerHour = 4.0
        public var flashCrowdsPerDay = 1.0
        public var rampsPerDay = 2.0
        /// Highest that a burst or a flash crowd adds, as a multiple of the load; mentions of a company in the news
        /// grow fivefold within a minute.
        public var surge = 1.5
        /// Relative growth in a day.
        public var driftPerDay = 0.0
        /// Outages of metrics a day, and their mean length in seconds.
        public var outagesPerDay = 0.0
        public var outageSeconds = 300.0

        public init() {}

        /// Ingredients drawn at random: quiet, seasonal, bursty and crowded streams in equal shares.
        public static func random(using random: inout SimulationRandom) -> Options {
            var options = Options()
            options.daily = random.uniform(0...0.8)
            options.weekly = random.uniform(0...0.3)
            options.daySeconds = exponential(random.uniform(logarithm(7_200)...logarithm(86_400)))
            options.noise = random.uniform(0.01...0.12)
            options.wander = random.uniform(0...0.3)
            options.burstsPerHour = random.uniform() < 0.5 ? random.uniform(0...30) : 0
            options.flashCrowdsPerDay = random.uniform() < 0.4 ? random.uniform(1...4) : 0
            options.rampsPerDay = random.uniform(0...6)
            options.surge = exponential(random.uniform(logarithm(0.5)...logarithm(6)))
            return options
        }

        /// The same with a flash crowd every one to four hours, or bursts all the time: what out-of-memory kills and
        /// violations come from, and what `random` gives too rarely to learn from.
        public static func surging(using random: inout SimulationRandom) -> Options {
            var options = Options.random(using: &random)
            if random.uniform() < 0.7 {
                options.flashCrowdsPerDay = random.uniform(6...24)
            } else {
                options.burstsPerHour = random.uniform(5...30)
            }
            options.surge = exponential(random.uniform(logarithm(1)...logarithm(6)))
            return options
        }
    }

    /// Whether streams have bursts, which are over within a minute: for training on one kind and testing on the other.
    public enum Bursts: String, Sendable, CaseIterable {
        /// In half of the streams, as `Options` draws them.
        case drawn
        case none
        /// In every stream, 5 to 30 an hour.
        case always

        public func apply(to options: inout Options, using random: inout SimulationRandom) {
            switch self {
            case .drawn: break
            case .none: options.burstsPerHour = 0
            case .always: options.burstsPerHour = random.uniform(5...30)
            }
        }
    }

    public let options: Options
    /// Whether the metrics of the last sub-step reach the recommender.
    public private(set) var metricsAvailable = true

    private var random: SimulationRandom
    private var seconds: Double
    private var level = 1.0
    private var rampTarget = 1.0
    private var wander = 0.0
    private var burst = Event()
    private var crowd = Event()
    private var outageLeft = 0.0

    /// A rise that comes within `rise` seconds and decays.
    private struct Event: Sendable {
        var height = 0.0
        var age = 0.0
        var rise = 0.0
        var decay = 1.0

        mutating func advance(_ dt: Double) -> Double {
            guard height > 0 else { return 0 }
            age += dt
            let shape = age < rise ? age / rise : exponential(-(age - rise) / decay)
            if age > rise, shape < 0.02 { height = 0 }
            return height * shape
        }
    }

    public init(options: Options = Options(), seed: UInt64) {
        self.options = options
        random = SimulationRandom(seed: seed)
        seconds = random.uniform() * options.daySeconds * 7
    }

    /// Load of the next sub-step, relative to the usual peak.
    public mutating func next() -> Double {
        let dt = Cluster.subStepSeconds
        seconds += dt
        let day = options.daySeconds
        let turn = 2 * Double.pi * seconds / day
        // A second harmonic gives the day its morning and evening.
        let daily = 0.5 + 0.5 * (0.8 * sine(turn) + 0.2 * sine(2 * turn + 1))
        let weekly = 0.5 + 0.5 * sine(turn / 7)
        ramp(dt)
        let persistence = exponential(-dt / 600)
        wander = wander * persistence + options.wander * (1 - persistence * persistence).squareRoot() * random.normal()
        if burst.height == 0, random.uniform() < options.burstsPerHour * dt / 3600 {
            burst = Event(height: random.uniform(0.2...1) * options.surge, rise: dt, decay: random.uniform(10...60))
        }
        if crowd.height == 0, random.uniform() < options.flashCrowdsPerDay * dt / day {
            crowd = Event(
                height: random.uniform(0.3...1) * options.surge, rise: random.uniform(60...300),
                decay: random.uniform(300...900))
        }
        outages(dt)
        let season = (1 - options.daily * (1 - daily)) * (1 - options.weekly * (1 - weekly))
        let rise = 1 + burst.advance(dt) + crowd.advance(dt)
        let drift = 1 + options.driftPerDay * seconds / day
        return max(0.01, level * season * rise * drift * exponential(wander) * (1 + options.noise * random.normal()))
    }

    private mutating func ramp(_ dt: Double) {
        if random.uniform() < options.rampsPerDay * dt / options.daySeconds { rampTarget = random.uniform(0.4...1.2) }
        // A ramp takes about ten minutes.
        level += (rampTarget - level) * (1 - exponential(-dt / 300))
    }

    private mutating func outages(_ dt: Double) {
        outageLeft = max(0, outageLeft - dt)
        if outageLeft == 0, random.uniform() < options.outagesPerDay * dt / options.daySeconds {
            outageLeft = options.outageSeconds * random.exponential()
        }
        metricsAvailable = outageLeft == 0
    }

    /// A window of `steps` decision steps of a new stream.
    public static func window(
        steps: Int, seed: UInt64, options: Options? = nil, bursts: Bursts = .drawn, subStepsPerStep: Int = 12
    ) -> [Double] {
        var random = SimulationRandom(seed: seed)
        var options = options ?? .random(using: &random)
        bursts.apply(to: &options, using: &random)
        var generator = LoadGenerator(options: options, seed: random.next())
        return (0..<steps * subStepsPerStep).map { _ in generator.next() }
    }
}
