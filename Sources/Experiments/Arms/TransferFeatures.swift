// What TL+ knows in addition (AWARE, USENIX ATC 2023): a forecast of the load, and a table from allocation to performance.

import Base
import Learning
import Deciding
import Scaling

/// The temporal and the spatial feature of TL+, learned online from one application's own measurements.
struct TransferFeatures: StateExtension {
    /// For a policy that reads them, `nil` for one that does not.
    static func read(by policy: Policy) -> TransferFeatures? {
        policy.shape.observationSize > StateEncoder.count ? TransferFeatures() : nil
    }

    /// Values behind the usual state.
    static let count = 3

    /// ARIMA(1,1,0): the next difference is `phi` times the last one; `phi` by least squares that forgets.
    private var rate = 0.0
    private var difference = 0.0
    private var covariance = 0.0
    private var variance = 0.0
    /// Mean reward measured with so many cores at such a load, both in steps of a quarter of an octave.
    private var table: [Cell: Float] = [:]

    private struct Cell: Hashable {
        var cores: Int
        var load: Int
    }

    /// Cells that are kept at most: 40 sizes by 40 loads.
    private static let cellsMax = 1600
    /// How much a new measurement moves a cell, and how much of the fit survives a step.
    private static let rateOfChange: Float = 0.3
    private static let retention = 0.98

    private static func bucket(_ value: Double) -> Int {
        Int((4 * logarithm(min(max(value, 1e-3), 1e6)) / logarithm(2)).rounded())
    }

    /// Requests per second that are expected in the next step.
    var forecast: Double {
        let phi = variance > 0 ? min(max(covariance / variance, -0.95), 0.95) : 0
        return max(0, rate + phi * difference)
    }

    private static func cores(_ perception: Perception) -> Double {
        Double(perception.current.replicas * perception.current.cpuMillicores) / 1000
    }

    mutating func observe(_ perception: Perception) {
        observe(
            rate: perception.observation.requestRate, cores: Self.cores(perception), reward: perception.parts.value)
    }

    mutating func observe(rate new: Double?, cores: Double, reward: Double?) {
        guard let new, new.isFinite else { return }
        if rate > 0 {
            let next = new - rate
            covariance = covariance * Self.retention + next * difference
            variance = variance * Self.retention + difference * difference
            difference = next
        }
        rate = new
        guard let reward else { return }
        let cell = Cell(cores: Self.bucket(cores), load: Self.bucket(new))
        guard table.count < Self.cellsMax || table[cell] != nil else { return }
        let known = table[cell] ?? Float(reward)
        table[cell] = known + Self.rateOfChange * (Float(reward) - known)
    }

    /// Expected change of the load (relative, -1...2), the table's reward for the present cores under the forecast
    /// (0 when unknown), and how many octaves of cores away the table's best entry for the forecast is (-1...1).
    func write(into state: UnsafeMutableBufferPointer<Float>, _ perception: Perception) {
        write(into: state, cores: Self.cores(perception))
    }

    func write(into state: UnsafeMutableBufferPointer<Float>, cores: Double) {
        let load = Self.bucket(forecast)
        let present = Self.bucket(cores)
        state[0] = rate > 0 ? Float(min(max(forecast / rate - 1, -1), 2)) : 0
        state[1] = table[Cell(cores: present, load: load)] ?? 0
        var best = present
        var highest = -Float.infinity
        for candidate in present - 8...present + 8 {
            guard let reward = table[Cell(cores: candidate, load: load)], reward > highest else { continue }
            (best, highest) = (candidate, reward)
        }
        state[2] = Float(min(max(Double(best - present) / 4, -1), 1))
    }
}
