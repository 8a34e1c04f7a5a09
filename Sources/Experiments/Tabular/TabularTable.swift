// The published table as a file: what was measured for each number of containers and each load.

import Base
import Foundation

/// Utilisation, SLO preservation and latency by containers and load.
public struct TabularTable: Sendable, Hashable {
    private let states: [TabularState]

    private static let columns = ["avg_cpu_util", "slo_preservation", "num_containers", "arrival_rate", "latency"]
    private static var width: Int { TabularEnvironment.loads.upperBound + 1 }

    func state(containers: Int, load: Int) -> TabularState { states[containers * Self.width + load] }

    /// Reads a CSV file whose header names the five columns; others are left alone, and so are rows beyond 10 containers
    /// and loads 0 to 8.
    /// - Throws: `HistoryError` with the line, or with the first state that has no row.
    public init(parsing text: String) throws(HistoryError) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        }
        let header = lines.first ?? []
        var places: [Int] = []
        for name in Self.columns {
            guard let place = header.firstIndex(of: name) else {
                throw HistoryError("line 1: there is no column \(name); \(Self.columns.joined(separator: ", ")) are expected")
            }
            places.append(place)
        }
        var found = [TabularState?](repeating: nil, count: TabularEnvironment.stateCount)
        for (number, fields) in lines.enumerated().dropFirst() where fields != [""] {
            let values = places.compactMap { $0 < fields.count ? Double(fields[$0]) : nil }
            guard values.count == places.count, let containers = Int(exactly: values[2]), let load = Int(exactly: values[3]) else {
                throw HistoryError("line \(number + 1): five numbers are expected, containers and arrival rate whole ones")
            }
            guard (0...TabularEnvironment.maxContainers).contains(containers), (0..<Self.width).contains(load) else { continue }
            found[containers * Self.width + load] = TabularState(
                utilization: values[0], sloPreservation: values[1], latency: values[4])
        }
        if let missing = found.indices.first(where: { found[$0] == nil && $0 % Self.width > 0 }) {
            throw HistoryError("there is no row for \(missing / Self.width) containers and arrival rate \(missing % Self.width)")
        }
        states = found.map { $0 ?? TabularState(containers: 0, load: 0) }
    }
}

/// One step of one episode, for people to follow.
public struct TabularStep: Sendable {
    public var containers: Int
    public var load: Int
    public var shares: Int
    public var state: TabularState
    public var action: Int
    public var reward: Double
}

extension TabularRun {
    /// An episode at `load` from no containers, without exploration (but for who acts at random).
    public func episode(load: Int, steps: Int) -> [TabularStep] {
        var world = world
        var generator = RandomGenerator(seed: UInt64(load))
        world.fixedLoad = load
        world.reset(using: &generator)
        return (0..<steps).map { _ in
            let action = action(world, using: &generator)
            var step = TabularStep(
                containers: world.containers, load: load, shares: world.sharesPerContainer, state: world.state, action: action, reward: 0)
            step.reward = world.step(action)
            return step
        }
    }
}
