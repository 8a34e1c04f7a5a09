// What `aware-bench learn` measures of our own learning core.

import Base
import ClusterModel
import Experiments
import Learning
import Neural

/// Each figure is the best of several rounds: what the code costs, not what its neighbours on the machine cost.
enum LearnMeasurements {
    private static func microseconds(rounds: Int = 7, repeats: Int, _ body: () -> Void) -> Double {
        body()
        return (0..<rounds).map { _ in
            let elapsed = ContinuousClock().measure { for _ in 0..<repeats { body() } }
            return elapsed / .microseconds(1) / Double(repeats)
        }.min() ?? 0
    }

    /// Forward, squared error, backward and Adam of a 6-64-64-5 ReLU network, as torch_step.py does it.
    static func steps() -> [(batch: Int, microseconds: Double)] {
        [1, 5, 64, 256].map { batch in
            var layout = ParameterLayout()
            let network = Perceptron([6, 64, 64, 5], activation: .relu, name: "network", layout: &layout)
            var generator = RandomGenerator(seed: 1)
            var parameters = ParameterBuffer(layout: layout)
            parameters.initialize(network, outputGain: 1, using: &generator)
            let x = FloatBuffer(count: batch * 6)
            let target = FloatBuffer(count: batch * 5)
            for buffer in [x, target] {
                for index in 0..<buffer.count { buffer.pointer[index] = generator.normal() }
            }
            let activations = FloatBuffer(count: batch * network.activationWidth)
            let scratch = FloatBuffer(count: batch * network.scratchWidth)
            let dy = FloatBuffer(count: batch * 5)
            let gradients = FloatBuffer(count: layout.count)
            var adam = Adam(count: layout.count)
            let time = microseconds(repeats: 1000) {
                parameters.values.withUnsafeBufferPointer { weights in
                    guard let weights = weights.baseAddress else { return }
                    network.forward(weights, x: x.pointer, rows: batch, activations: activations.pointer)
                    let y = activations.pointer + network.outputOffset(rows: batch)
                    for index in 0..<dy.count {
                        dy.pointer[index] = 2 / Float(dy.count) * (y[index] - target.pointer[index])
                    }
                    gradients.clear()
                    network.backward(
                        weights, x: x.pointer, rows: batch, activations: activations.pointer, dy: dy.pointer,
                        scratch: scratch.pointer, gradients: gradients.pointer, dx: nil)
                }
                adam.update(&parameters.values, gradients: gradients.pointer, rate: 3e-4)
            }
            return (batch, time)
        }
    }

    /// 5 episodes x 200 steps an iteration with our own recipe, in the environment of torch_ppo_tabular.py.
    static func publishedRun(iterations: Int, seed: UInt64) -> (secondsPerIteration: Double, meanReturn: Double) {
        let learner = PPO(shape: TabularPresets.shape(), options: TabularPresets.ppo(steps: 200), seed: seed)
        var run = TabularTraining(
            learner, criticalIsSaturated: true, episodeSteps: 200, episodesPerIteration: 5, seed: seed)
        var returns: [Double] = []
        let elapsed = ContinuousClock().measure {
            for _ in 0..<iterations { returns.append(run.advance().meanReturn) }
        }
        let last = returns.suffix(20)
        return (elapsed / .seconds(1) / Double(iterations), last.reduce(0, +) / Double(max(last.count, 1)))
    }

    /// Seconds for 5 episodes x 10 steps, then 5 epochs of minibatches of 5, with a full buffer of 32 trajectories.
    static func metaIteration() -> Double {
        var options = PPO.Options()
        options.epochs = 5
        options.minibatch = .steps(5)
        let learner = MetaPPO(
            shape: TabularPresets.shape(embeddingSize: 32), options: options,
            buffer: EpisodeBuffer(capacity: 32, selection: .latest), seed: 1)
        var run = TabularTraining(learner, episodeSteps: 10, episodesPerIteration: 5, seed: 1)
        for _ in 0..<8 { _ = run.advance() }
        return microseconds(repeats: 10) { _ = run.advance() } / 1e6
    }

    /// One sampled decision of each kind of policy.
    static func inference() -> [(name: String, microseconds: Double, goal: String)] {
        [
            ("decision, 52 + 32 embedding, 64-64, three heads", 32, 0, "<= 2 us"),
            ("decision, 52, GRU(32), 64-64, three heads", 0, 32, "<= 5 us"),
        ].map { name, embeddingSize, recurrentSize, goal in
            let shape = PolicyShape(
                observationSize: 52, embeddingSize: embeddingSize, recurrentSize: recurrentSize, heads: [6, 5, 6])
            let policy = Policy(shape: shape, seed: 1)
            let scratch = policy.makeScratch()
            var generator = RandomGenerator(seed: 1)
            let observation = (0..<52).map { _ in generator.normal() }
            let embedding = (0..<embeddingSize).map { _ in generator.normal() }
            let mask = [UInt8](repeating: 1, count: shape.actionCount)
            var memory = shape.emptyMemory()
            let time = microseconds(repeats: 10_000) {
                observation.withUnsafeBufferPointer { observation in
                    embedding.withUnsafeBufferPointer { embedding in
                        mask.withUnsafeBufferPointer { mask in
                            memory.withUnsafeMutableBufferPointer {
                                policy.decide(
                                    observation: observation, embedding: embedding, mask: mask, memory: $0,
                                    scratch: scratch, sampling: &generator)
                            }
                        }
                    }
                }
            }
            return (name, time, goal)
        }
    }
}
