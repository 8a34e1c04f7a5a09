// Embeddings tell workloads apart, have right gradients, and come from a buffer that keeps what it should.

import Learning
import Neural
import Testing
@testable import Base

struct MetaLearnerTests {
    private func episode(_ reward: Float, steps: Int = 4, action: Int32 = 0) -> Episode {
        var episode = Episode()
        for step in 0..<steps {
            episode.observations += [reward, Float(step) / 4]
            episode.actions.append(action)
            episode.rewards.append(reward)
        }
        return episode
    }

    private let encoder = TrajectoryEncoder(observationSize: 2, heads: [3], units: 4, embeddingSize: 3)

    @Test func gradientsEqualFiniteDifferences() {
        var generator = RandomGenerator(seed: 1)
        let parameters = encoder.initialParameters(using: &generator)
        let episodes = [episode(0.5), episode(-0.3, action: 2), episode(0.9, steps: 6, action: 1)]
        let weight: [Float] = [0.7, -1.1, 0.4]
        func loss(_ values: [Float]) -> Double {
            var moved = parameters
            moved.values = values
            return zip(encoder.encode(episodes, parameters: moved).embedding, weight).reduce(0) {
                $0 + Double($1.0) * Double($1.1)
            }
        }
        var gradient = [Float](repeating: 0, count: parameters.values.count)
        encoder.backward(
            encoder.encode(episodes, parameters: parameters), gradient: weight, parameters: parameters,
            gradients: &gradient)
        #expect(gradientError(at: parameters.values, gradient: gradient, loss: loss) <= 1e-4)
    }

    @Test func orderOfEpisodesDoesNotMatter() {
        let meta = MetaLearner(encoder: encoder, seed: 1)
        let (a, b) = (episode(0.5), episode(0.9, steps: 6))
        let difference = zip(meta.encode([a, b]).embedding, meta.encode([b, a]).embedding).map { abs($0 - $1) }
        #expect(difference.allSatisfy { $0 < 1e-6 })
        #expect(meta.encode([]).embedding == [0, 0, 0])
    }

    @Test func learnsToTellWorkloadsApart() {
        var meta = MetaLearner(encoder: encoder, learningRate: 1e-2, seed: 1)
        for _ in 0..<200 {
            let samples = [(episode(0.9), Float(1)), (episode(-0.9), -1)].map { episode, target in
                let encoding = meta.encode([episode])
                return (encoding: encoding, gradient: [encoding.embedding[0] - target, 0, 0])
            }
            meta.update(samples)
        }
        #expect(meta.encode([episode(0.9)]).embedding[0] > 0.8)
        #expect(meta.encode([episode(-0.9)]).embedding[0] < -0.8)
        #expect(TrajectoryEncoder.similarity([1, 0], [2, 0]) == 1)
        #expect(TrajectoryEncoder.similarity([1, 0], [0, 1]) == 0)
        #expect(TrajectoryEncoder.similarity([0, 0], [0, 1]) == 0)
    }

    @Test func bestKeepsTheBestAndAdmitsEquals() {
        var buffer = EpisodeBuffer(capacity: 3)
        for reward in [0.1, 0.5, 0.5, 0.5, 0.2] as [Float] { buffer.insert(episode(reward, steps: 1)) }
        #expect(buffer.episodes.map(\.totalReward) == [0.5, 0.5, 0.5])
        let generation = buffer.generation
        let isWorseAdmitted = buffer.insert(episode(0.4, steps: 1))
        #expect(!isWorseAdmitted)
        #expect(buffer.generation == generation)
        let isBetterAdmitted = buffer.insert(episode(0.6, steps: 1))
        #expect(isBetterAdmitted)
        #expect(buffer.episodes.count == 3)
    }

    @Test func latestKeepsTheNewest() {
        var buffer = EpisodeBuffer(capacity: 2, selection: .latest)
        for reward in [0.9, 0.1, 0.2] as [Float] { buffer.insert(episode(reward, steps: 1)) }
        #expect(buffer.episodes.map(\.totalReward) == [0.1, 0.2])
        buffer.removeAll()
        #expect(buffer.episodes.isEmpty)
    }
}
