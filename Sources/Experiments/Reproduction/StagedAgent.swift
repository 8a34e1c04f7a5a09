// An agent with the stages of Algorithm 1 of AWARE (USENIX ATC 2023), episode by episode.

import Learning
import Neural

/// Rules, then a candidate, then serving, then retraining when the reward falls. The differences from the paper are the
/// product's: the first candidate acts greedily on trial before anything explores, and a drop must also be larger than
/// what chance explains.
struct StagedAgent: Sendable {
    enum Stage: Int, Sendable {
        case offline, trial, online, serving
    }

    /// Episodes in the detector's window, and in the rules' observation before a candidate may act.
    static let window = 10
    static let observation = 20
    /// Episodes that a candidate has to show itself better than the rules before it begins to explore.
    static let trialEpisodes = 30
    /// The paper's retraining threshold: 5 of 190 reward units (AWARE, USENIX ATC 2023).
    static let dropShare = 0.026

    private(set) var stage: Stage
    private(set) var apprentice: Apprentice
    /// How many of the rules' episodes the candidate is cloned from; `nil` takes the candidate as it is.
    private let clonesAfter: Int?
    private var rules: [Double] = []
    private var recent: [Double] = []
    private var settled: [Double] = []
    private var lessons: [Episode] = []
    private var trialCount = 0
    /// Retrainings so far.
    private(set) var retrainings = 0

    /// Begins with the rules.
    init(bootstrapping apprentice: Apprentice, clonesAfter: Int? = nil) {
        self.apprentice = apprentice
        self.clonesAfter = clonesAfter
        stage = .offline
    }

    /// Begins with exploring, as without bootstrapping.
    init(exploring apprentice: Apprentice) {
        self.init(bootstrapping: apprentice)
        stage = .online
    }

    /// Begins in the middle of serving.
    /// - Parameter settled: rewards (R) of the episodes before.
    init(serving apprentice: Apprentice, settled: [Double]) {
        self.init(bootstrapping: apprentice)
        stage = .serving
        self.settled = settled
    }

    /// The R below which a serving policy is retrained, and at which retraining ends.
    private var threshold: Double {
        guard settled.count > 1 else { return rules.isEmpty ? 0 : rules.mean }
        let error = settled.deviation * (1 / Double(Self.window) + 1 / Double(settled.count)).squareRoot()
        return settled.mean - max(Self.dropShare * settled.mean, 2 * error)
    }

    /// Lives through one episode.
    mutating func act(_ trial: Trial) -> TrialResult {
        let result: TrialResult
        switch stage {
        case .offline:
            let (played, episode) = trial.taughtByRules()
            result = played
            rules.append(result.r)
            if clonesAfter != nil { lessons.append(episode) }
            leaveOffline()
        case .trial:
            result = apprentice.serve(trial)
            remember(result.r)
            trialCount += 1
            if recent.count == Self.window, recent.mean >= rules.mean {
                stage = .serving
            } else if trialCount >= Self.trialEpisodes {
                move(to: .online)
            }
        case .online:
            result = apprentice.learn(trial)
            remember(result.r)
            if recent.count == Self.window, threshold > 0, recent.mean >= threshold { move(to: .serving) }
        case .serving:
            result = apprentice.serve(trial)
            remember(result.r)
            if recent.count == Self.window, settled.count >= Self.window, recent.mean < threshold {
                retrainings += 1
                move(to: .online)
            } else if settled.count < 10 * Self.window {
                settled.append(result.r)
            }
        }
        return result
    }

    private mutating func remember(_ r: Double) {
        recent.append(r)
        if recent.count > Self.window { recent.removeFirst() }
    }

    private mutating func move(to next: Stage) {
        stage = next
        recent.removeAll()
    }

    private mutating func leaveOffline() {
        guard rules.count >= clonesAfter ?? Self.observation else { return }
        if clonesAfter != nil {
            apprentice.clone(lessons)
            lessons.removeAll()
            move(to: .online)
        } else {
            move(to: .trial)
        }
    }
}

extension [Double] {
    var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }
    /// Of the sample.
    var deviation: Double {
        guard count > 1 else { return 0 }
        let mean = mean
        return (reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)).squareRoot()
    }
}

extension Apprentice {
    /// Learns to do what the rules did, and goes on from there.
    mutating func clone(_ episodes: [Episode]) {
        var options = BehaviorCloning.Options()
        options.epochs = 20
        options.minibatch = .episodes(2)
        var cloning = BehaviorCloning(policy: policy, options: options, seed: 1)
        _ = cloning.update(episodes)
        self = Apprentice(adapting: cloning.policy, embedding: embedding, seed: 1)
    }
}
