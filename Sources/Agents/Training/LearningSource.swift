// Where a learner reads what happened: the store, seen from one application.

import Learning
import Scaling
import ClusterModel

/// Reads one application's record. What is gone from the store is `nil` or empty.
struct LearningSource {
    var application: Int64
    var profile: Profile
    /// The policy that ships with the product, unless the profile does without.
    var base: Policy?
    var store: any EpisodeStore
    /// Whether the server stops: what is being learned will be thrown away, and learned again after the next start.
    var isStopping: @Sendable () -> Bool = { false }
    /// What serves the workloads that are most like this one, the nearest first; looked up when a candidate is wanted.
    var neighbours: @Sendable () -> [Neighbour] = { [] }

    /// Another application of this server, and what proved itself there.
    struct Neighbour: Sendable {
        var application: Int64
        var policy: Policy
    }

    /// Episodes of practice a day of an application that is served.
    var dailyPractice: Int
    /// Steps of other controllers that are looked at.
    private static let foreignMax = 2_000

    /// CPU of one search for a calibration and of one episode of practice, in milliseconds: measured. By count and not by the
    /// clock, so that a seed always gives the same run.
    private static let (calibrationCost, practiceCost) = (400.0, 2.5)

    /// - Parameter budget: CPU that learning on may take, in milliseconds an hour.
    init(
        application: Int64, profile: Profile, base: Policy?, store: any EpisodeStore, budget: Double,
        isStopping: @escaping @Sendable () -> Bool = { false }, neighbours: @escaping @Sendable () -> [Neighbour] = { [] }
    ) {
        self.isStopping = isStopping
        self.neighbours = neighbours
        dailyPractice = Int(max(0, budget * 24 - Self.calibrationCost) / Self.practiceCost)
        self.application = application
        self.profile = profile
        self.base = base
        self.store = store
    }

    private func decisions(_ number: Int) throws -> [Decision] {
        guard let summary = try store.episodes(of: application, after: number - 1, limit: 1).first,
            summary.number == number
        else { return [] }
        return try store.decisions(of: summary)
    }

    /// The steps of a finished episode, as training reads them.
    func episode(_ number: Int) throws -> Episode? {
        EpisodeAssembly.episode(from: try decisions(number), profile: profile)
    }

    /// The reward of every step of an episode as it was measured here, `nil` where it is not known. What clients say that
    /// a step was worth is reported, but nobody is judged by it: who is paid could name the price.
    func rewards(_ episode: EpisodeSummary) throws -> [Double?] {
        // A decision has the reward of the one before it, and none if that was not carried out.
        try store.decisions(of: episode).dropFirst().map { decision in
            decision.reward.flatMap { _ in Reward.measured(decision.observation.readable().observation, profile) }
        }
    }

    /// What every step of an episode was worth by the objective, `nil` where it is not known.
    func values(_ episode: EpisodeSummary) throws -> [Double?] {
        let decisions = try store.decisions(of: episode)
        return zip(decisions, decisions.dropFirst()).map { step, next in
            guard next.observation.applied else { return nil }
            let observation = next.observation.readable().observation
            return Reward.penalized(
                Reward.step(observation, profile), observation: observation, previous: step.current,
                decided: step.desired, profile: profile)
        }
    }

    /// What ran and what was measured in the episodes `numbers`, oldest first, and the CPU limit that the rules keep.
    func record(of numbers: some Sequence<Int>) throws -> (steps: [RecordedStep], fixedCpu: Int?) {
        var steps: [RecordedStep] = []
        var fixedCpu: Int?
        for number in numbers {
            let decisions = try decisions(number)
            steps += decisions.dropFirst().map { RecordedStep(allocation: $0.current, observation: $0.observation) }
            fixedCpu = decisions.last?.rules.cpuMillicores ?? fixedCpu
        }
        return (steps, fixedCpu)
    }

    /// What other controllers did, as training and the judge read it.
    func foreign() throws -> (episodes: [Episode], steps: [RecordedStep]) {
        let transitions = try store.externalTransitions(of: application, limit: Self.foreignMax)
        guard !transitions.isEmpty else { return ([], []) }
        return (
            EpisodeAssembly.episodes(from: transitions, profile: profile),
            transitions.map { step in
                RecordedStep(allocation: step.next.allocation(otherwise: step.desired), observation: step.next)
            }
        )
    }

    /// The policy of a version.
    func policy(version: Int) throws -> Policy? {
        try store.model(of: application, version: version).map { try Policy(decoding: $0.weights) }
    }
}
