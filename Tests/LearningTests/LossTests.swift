// Every algorithm's loss against PyTorch's numbers and against finite differences.

import Neural
import Testing

@testable import Learning

struct LossTests {
    private let heads = [3, 2]

    /// The network, table and minibatch that a golden case of whole episodes describes.
    private func episodes(
        _ golden: Golden, recurrentSize: Int
    ) -> (shape: PolicyShape, table: StepTable, minibatch: StepTable.Minibatch) {
        let shape = PolicyShape(
            observationSize: 3, embeddingSize: 2, recurrentSize: recurrentSize, hidden: [8], heads: heads)
        var episodes: [Episode] = []
        var start = 0
        for (index, length) in golden.integers("lengths").enumerated() {
            let rows = start..<start + length
            var episode = Episode()
            episode.observations = Array(golden["observations"][rows.lowerBound * 3..<rows.upperBound * 3])
            episode.actions = golden["actions"][rows.lowerBound * 2..<rows.upperBound * 2].map { Int32($0) }
            episode.masks = golden["mask"][rows.lowerBound * 5..<rows.upperBound * 5].map { UInt8($0) }
            episode.rewards = Array(golden["rewards"][rows])
            episode.logProbabilities = Array(golden["oldLog"][rows])
            episode.values = Array(golden["oldValues"][rows])
            episode.embedding = Array(golden["embedding"][start * 2..<start * 2 + 2])
            if recurrentSize > 0 {
                let state = golden["initial"][index * recurrentSize..<(index + 1) * recurrentSize]
                episode.initialMemory = state + [Float](repeating: 0, count: 6)
            }
            episodes.append(episode)
            start += length
        }
        let table = StepTable(episodes, shape: shape)
        let minibatch =
            recurrentSize > 0
            ? table.minibatch(ofEpisodes: ArraySlice(episodes.indices))
            : table.minibatch(ofRows: ArraySlice(0..<table.rows))
        return (shape, table, minibatch)
    }

    private func workspace(_ network: ActorCritic, _ minibatch: StepTable.Minibatch, _ table: StepTable)
        -> ActorCritic.Workspace
    {
        let work = ActorCritic.Workspace(network, rows: minibatch.rows.count, lanes: minibatch.lanes)
        table.load(minibatch, into: work)
        return work
    }

    private func checkDifferences(
        _ golden: Golden, _ evaluate: ([Float]) -> (loss: Float, gradient: [Float])
    ) {
        let parameters = golden["parameters"]
        let gradient = evaluate(parameters).gradient
        #expect(gradientError(at: parameters, gradient: gradient) { Double(evaluate($0).loss) } <= 1e-4)
    }

    @Test(arguments: [("feedForward", 0), ("recurrent", 4)], [nil, 0.2] as [Float?])
    func ppo(kind: (name: String, size: Int), valueClip: Float?) throws {
        let golden = try Golden("ppo\(valueClip == nil ? "" : "ValueClip").\(kind.name)")
        let (shape, table, minibatch) = episodes(golden, recurrentSize: kind.size)
        var trainer = PPO(shape: shape, seed: 1)
        trainer.options.valueClip = valueClip
        var targets = PPO.Targets([], options: trainer.options)
        targets.oldLogProbabilities = golden["oldLog"]
        targets.oldValues = golden["oldValues"]
        targets.advantages = golden["advantages"]
        targets.returns = golden["returns"]
        let work = workspace(trainer.network, minibatch, table)
        golden.check { parameters in
            trainer.parameters.values = parameters
            work.gradients.clear()
            let losses = trainer.backpropagate(minibatch, table: table, targets: targets, work: work)
            return (losses.policy + 0.5 * losses.value - 0.01 * losses.entropy, Array(work.gradients.values))
        }
    }

    /// Without advantages near the clip, where the loss has a corner that finite differences would cut.
    @Test(arguments: [("feedForward", 0), ("recurrent", 4)])
    func ppoGradientsEqualFiniteDifferences(kind: (name: String, size: Int)) throws {
        let golden = try Golden("ppo.\(kind.name)")
        let (shape, table, minibatch) = episodes(golden, recurrentSize: kind.size)
        var trainer = PPO(shape: shape, seed: 1)
        trainer.options.clip = 1e6
        var targets = PPO.Targets([], options: trainer.options)
        targets.oldLogProbabilities = golden["oldLog"]
        targets.oldValues = golden["oldValues"]
        targets.advantages = golden["advantages"]
        targets.returns = golden["returns"]
        let work = workspace(trainer.network, minibatch, table)
        checkDifferences(golden) { parameters in
            trainer.parameters.values = parameters
            work.gradients.clear()
            let losses = trainer.backpropagate(minibatch, table: table, targets: targets, work: work)
            return (losses.policy + 0.5 * losses.value - 0.01 * losses.entropy, Array(work.gradients.values))
        }
    }

    @Test(arguments: [("feedForward", 0), ("recurrent", 4)])
    func reinforce(kind: (name: String, size: Int)) throws {
        let golden = try Golden("reinforce.\(kind.name)")
        let (shape, table, minibatch) = episodes(golden, recurrentSize: kind.size)
        var trainer = REINFORCE(shape: shape, seed: 1)
        var targets = REINFORCE.Targets([], options: trainer.options)
        targets.advantages = golden["advantages"]
        targets.returns = golden["returns"]
        let work = workspace(trainer.network, minibatch, table)
        func evaluate(_ parameters: [Float]) -> (loss: Float, gradient: [Float]) {
            trainer.parameters.values = parameters
            work.gradients.clear()
            var losses = REINFORCE.Diagnostics()
            trainer.backpropagate(minibatch, table: table, targets: targets, work: work, diagnostics: &losses)
            return (
                losses.policyLoss + 0.5 * losses.valueLoss - 0.01 * losses.entropy, Array(work.gradients.values)
            )
        }
        golden.check(evaluate)
        checkDifferences(golden, evaluate)
    }

    @Test(arguments: [("feedForward", 0), ("recurrent", 4)])
    func cloning(kind: (name: String, size: Int)) throws {
        let golden = try Golden("cloning.\(kind.name)")
        let (shape, table, minibatch) = episodes(golden, recurrentSize: kind.size)
        var trainer = BehaviorCloning(shape: shape, seed: 1)
        var targets = BehaviorCloning.Targets([], values: [], options: trainer.options)
        targets.weights = golden["weights"]
        targets.returns = golden["returns"]
        let work = workspace(trainer.network, minibatch, table)
        func evaluate(_ parameters: [Float]) -> (loss: Float, gradient: [Float]) {
            trainer.parameters.values = parameters
            work.gradients.clear()
            var losses = BehaviorCloning.Diagnostics()
            trainer.backpropagate(minibatch, table: table, targets: targets, work: work, diagnostics: &losses)
            return (
                losses.weightedLoss + 0.5 * losses.valueLoss - 0.001 * losses.entropy, Array(work.gradients.values)
            )
        }
        golden.check(evaluate)
        checkDifferences(golden, evaluate)
    }

    /// Puts rows of a golden case into a replay buffer, with the given executed actions.
    private func fill(_ replay: inout ReplayBuffer, x: [Float], actions: [Float]) {
        let (size, width) = (replay.observationSize, replay.actionSize)
        for row in 0..<x.count / size {
            Array(x[row * size..<(row + 1) * size]).withUnsafeBufferPointer { observation in
                Array(actions[row * width..<(row + 1) * width]).withUnsafeBufferPointer { action in
                    replay.append(
                        observation: observation, action: action, reward: 0, next: observation, nextMask: .empty,
                        terminated: true)
                }
            }
        }
    }

    @Test func dqn() throws {
        let golden = try Golden("dqn")
        var learner = DQN(
            shape: PolicyShape(observationSize: 3, embeddingSize: 2, hidden: [8], heads: heads), seed: 1)
        let chosen = golden.integers("actions")
        var oneHots = [Float](repeating: 0, count: 6 * 5)
        for row in 0..<6 {
            oneHots[row * 5 + chosen[row * 2]] = 1
            oneHots[row * 5 + 3 + chosen[row * 2 + 1]] = 1
        }
        fill(&learner.replay, x: golden["x"], actions: oneHots)
        let work = ActorCritic.Workspace(learner.network, rows: 6)
        func evaluate(_ parameters: [Float]) -> (loss: Float, gradient: [Float]) {
            learner.parameters.values = parameters
            work.gradients.clear()
            let loss = learner.backpropagate(Array(0..<6), targets: golden["targets"], work: work).loss
            return (loss, Array(work.gradients.values))
        }
        golden.check(evaluate)
        learner.options.huber = 1e6
        checkDifferences(golden, evaluate)
    }

    private func ddpg(_ golden: Golden, discrete: Bool) -> DDPG {
        let shape = PolicyShape(observationSize: 3, embeddingSize: 2, hidden: [8], heads: heads)
        var learner = DDPG(shape: shape, isDiscrete: discrete, options: .init(), seed: 1)
        learner.actorParameters.values = golden["actor"]
        learner.criticParameters.values = golden["critic"]
        fill(&learner.replay, x: golden["x"], actions: golden["executed"])
        return learner
    }

    @Test(arguments: [true, false])
    func ddpgCritic(discrete: Bool) throws {
        let golden = try Golden("ddpgCritic.\(discrete ? "discrete" : "continuous")")
        var learner = ddpg(golden, discrete: discrete)
        let work = DDPG.Workspace(learner, rows: 6)
        func evaluate(_ parameters: [Float]) -> (loss: Float, gradient: [Float]) {
            learner.criticParameters.values = parameters
            let loss = learner.backpropagateCritic(Array(0..<6), targets: golden["targets"], work: work)
            return (loss, Array(work.criticGradients.values))
        }
        golden.check(evaluate)
        checkDifferences(golden, evaluate)
    }

    @Test(arguments: [true, false])
    func ddpgActor(discrete: Bool) throws {
        let golden = try Golden("ddpgActor.\(discrete ? "discrete" : "continuous")")
        var learner = ddpg(golden, discrete: discrete)
        let work = DDPG.Workspace(learner, rows: 6)
        func evaluate(_ parameters: [Float]) -> (loss: Float, gradient: [Float]) {
            learner.actorParameters.values = parameters
            let (value, entropy) = learner.backpropagateActor(Array(0..<6), work: work)
            return (-value - (discrete ? 0.01 * entropy : 0), Array(work.actorGradients.values))
        }
        golden.check(evaluate)
        checkDifferences(golden, evaluate)
    }
}
