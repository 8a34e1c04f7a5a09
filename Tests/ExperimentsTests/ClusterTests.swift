// The behaviour that the cluster model promises, one test each.

@testable import Base
import Scaling
import Testing

@testable import ClusterModel
@testable import Experiments

/// A service whose figures are easy to follow: 100 ms of CPU, nothing else; 10 requests/s on a core.
private func plain(io: Double = 0, base: Double = 100, each: Double = 1, startup: Double = 45) -> SyntheticApplication {
    var application = SyntheticApplication(segments: [Segment.all[7]], seed: 1)
    application.service = ServiceModel(
        work: SIMD4(0.1, 0, 0, 0), parallelism: SIMD4(repeating: 1), ioSeconds: io, baseBytes: base * 1_048_576,
        bytesPerRequest: each * 1_048_576, startupSeconds: startup)
    application.sloSeconds = 2
    return application
}

private var still: ClusterDynamics {
    var dynamics = ClusterDynamics()
    dynamics.metricNoise = 0
    dynamics.workDeviation = 0
    return dynamics
}

private func size(_ replicas: Int, cpu: Int = 1000, mib: Int = 512) -> Allocation {
    Allocation(replicas: replicas, cpuMillicores: cpu, memoryBytes: mib << 20)
}

private func minute(_ rate: Double) -> [Double] { Array(repeating: rate, count: 12) }

@Suite struct ClusterTests {
    @Test func twiceTheReplicasServeTwiceTheRequests() {
        for replicas in [1, 2, 4, 8] {
            var cluster = Cluster(application: plain(), initial: size(replicas), seed: 1, dynamics: still)
            let outcome = cluster.step(desired: size(replicas), load: minute(1000))
            #expect(abs(outcome.served / 60 - Double(replicas) * 10) < 1e-9)
            #expect(abs(outcome.cpuUtilization - 1) < 1e-9)
        }
    }

    @Test func latencyExplodesAtSaturationAndDrainsWithTheBacklog() {
        var cluster = Cluster(application: plain(), initial: size(2), seed: 1, dynamics: still)
        let calm = cluster.step(desired: size(2), load: minute(10))
        // M/M/1-PS at half load: 0.1 / (1 - 0.5), times ln 100.
        #expect(abs(calm.latencySeconds - 0.2 * logarithm(100)) < 1e-6)
        #expect(calm.backlog == 0 && !calm.violated)
        let flooded = cluster.step(desired: size(2), load: minute(26))
        #expect(flooded.violated && flooded.latencySeconds > 9 * calm.latencySeconds)
        #expect(abs(flooded.backlog - 6 * 60) < 1e-6)
        let draining = cluster.step(desired: size(2), load: minute(16))
        #expect(draining.backlog < flooded.backlog && draining.violated)
        for _ in 0..<3 { _ = cluster.step(desired: size(2), load: minute(10)) }
        #expect(abs(cluster.step(desired: size(2), load: minute(10)).latencySeconds - calm.latencySeconds) < 1e-6)
    }

    @Test func requestsAreConserved() {
        var cluster = Cluster(application: plain(), initial: size(3), seed: 7)
        var random = SimulationRandom(seed: 3)
        var arrived = 0.0
        var gone = 0.0
        for _ in 0..<400 {
            let before = cluster.backlog
            let outcome = cluster.step(
                desired: size(Int.random(in: 1...6, using: &random)),
                load: (0..<12).map { _ in random.uniform(0...80) })
            arrived += outcome.arrived
            gone += outcome.served + outcome.dropped
            #expect(abs(before + outcome.arrived - outcome.served - outcome.dropped - outcome.backlog) < 1e-6)
        }
        #expect(abs(arrived - gone - cluster.backlog) < 1e-5)
    }

    @Test func clientsGiveUpAfterTheTimeout() {
        var cluster = Cluster(application: plain(), initial: size(1), seed: 1, dynamics: still)
        for _ in 0..<5 { _ = cluster.step(desired: size(1), load: minute(100)) }
        #expect(cluster.backlog == 10 * still.timeoutSeconds)
    }

    @Test(arguments: [30.0, 45, 60]) func newReplicasServeAfterTheirStartUp(startup: Double) {
        var cluster = Cluster(application: plain(startup: startup), initial: size(1), seed: 1, dynamics: still)
        let outcome = cluster.step(desired: size(2), load: minute(1000))
        // The sub-step in which the start completes is served by both.
        let late = 60 - startup + 5
        #expect(abs(outcome.served - (600 + 10 * late)) < 1e-6)
        #expect(cluster.readyReplicas == 2)
    }

    @Test func replicasThatAreStillStartingGoFirst() {
        var cluster = Cluster(application: plain(startup: 60), initial: size(4), seed: 1, dynamics: still)
        _ = cluster.step(desired: size(4), load: minute(1))
        _ = cluster.step(desired: size(6), load: [1])
        _ = cluster.step(desired: size(4), load: [1])
        #expect(cluster.readyReplicas == 4)
        _ = cluster.step(desired: size(4), load: minute(1))
        #expect(cluster.readyReplicas == 4)
    }

    @Test func rollingRestartLosesOneReplicaInPlaceNone() {
        var rolling = still
        rolling.resize = .restart
        var cluster = Cluster(application: plain(), initial: size(4), seed: 1, dynamics: rolling)
        let restarted = cluster.step(desired: size(4, mib: 640), load: minute(1000))
        // 11 of 12 sub-steps with 3 of 4 replicas; in the last the replacement is complete.
        #expect(abs(restarted.served - (11 * 3 + 4) * 50) < 1e-6)
        #expect(restarted.restarts == 4 && restarted.resized)
        cluster = Cluster(application: plain(), initial: size(4), seed: 1, dynamics: still)
        let inPlace = cluster.step(desired: size(4, mib: 640), load: minute(1000))
        #expect(abs(inPlace.served - 12 * 4 * 50) < 1e-6)
        #expect(inPlace.restarts == 0 && inPlace.resized)
    }

    @Test func memoryAboveTheLimitKillsOneReplicaAtATime() {
        let heavy = plain(base: 200, each: 40)  // 16 in flight need 840 MiB
        var cluster = Cluster(application: heavy, initial: size(4, mib: 900), seed: 1, dynamics: still)
        #expect(cluster.step(desired: size(4, mib: 900), load: minute(60)).oomKills == 0)
        cluster = Cluster(application: heavy, initial: size(4, mib: 800), seed: 1, dynamics: still)
        let outcome = cluster.step(desired: size(4, mib: 800), load: minute(60))
        #expect(outcome.oomKills >= 4 && outcome.restarts == outcome.oomKills)
        #expect(outcome.observation.oomKills == outcome.oomKills)
        let after = cluster.step(desired: size(4, mib: 900), load: minute(10))
        _ = cluster.step(desired: size(4, mib: 900), load: minute(10))
        #expect(after.oomKills == 0 && cluster.readyReplicas == 4)
    }

    @Test func aLimitBelowTheIdleProcessNeverServes() {
        var cluster = Cluster(application: plain(base: 200), initial: size(2, mib: 150), seed: 1, dynamics: still)
        for _ in 0..<3 { _ = cluster.step(desired: size(2, mib: 150), load: minute(10)) }
        let outcome = cluster.step(desired: size(2, mib: 150), load: minute(10))
        #expect(outcome.violated && outcome.latencySeconds >= still.timeoutSeconds && outcome.latencySeconds < 1e4)
    }

    @Test func metricsLagAndCarryNoise() {
        var late = still
        late.metricsLagSteps = 2
        var cluster = Cluster(application: plain(), initial: size(4), seed: 1, dynamics: late)
        _ = cluster.step(desired: size(4), load: minute(10))
        let outcome = cluster.step(desired: size(4), load: minute(20))
        #expect(outcome.observation.requestRate == 10)
        #expect(abs(outcome.cpuUtilization - 0.5) < 1e-9)

        var noisy = still
        noisy.metricNoise = 0.03
        cluster = Cluster(application: plain(), initial: size(4), seed: 1, dynamics: noisy)
        let errors = (0..<2000).compactMap { _ in
            cluster.step(desired: size(4), load: minute(20)).observation.requestRate.map { $0 / 20 - 1 }
        }
        let deviation = (errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)).squareRoot()
        #expect(abs(deviation - 0.03) < 0.003)
        #expect(abs(errors.reduce(0, +) / Double(errors.count)) < 0.003)
    }

    @Test func anOutageHidesMetricsAndNothingElse() {
        var seen = Cluster(application: plain(), initial: size(2), seed: 5)
        var hidden = seen
        hidden.metricsAvailable = false
        let blind = hidden.step(desired: size(2), load: minute(12))
        let open = seen.step(desired: size(2), load: minute(12))
        #expect(blind.observation.cpuUtilization == nil && blind.observation.latencySeconds == nil)
        #expect(blind.observation.replicas == 2 && blind.observation.memoryBytes == 512 << 20)
        hidden.metricsAvailable = true
        #expect(blind.latencySeconds == open.latencySeconds)
        #expect(
            hidden.step(desired: size(2), load: minute(12)).observation
                == seen.step(desired: size(2), load: minute(12)).observation)
    }

    @Test func sameSeedSameOutcome() {
        func run(_ seed: UInt64) -> [Observation] {
            var cluster = Cluster(application: plain(), seed: seed)
            return (0..<50).map { cluster.step(desired: size(1 + $0 % 5), load: minute(15)).observation }
        }
        #expect(run(4) == run(4))
        #expect(run(4) != run(5))
    }

    @Test func rewardIsAlphaTimesSloPlusTheRestTimesUtilisation() {
        var cluster = Cluster(application: plain(), initial: size(2), seed: 1, dynamics: still)
        let outcome = cluster.step(desired: size(2), load: minute(10))
        let utilisation = (outcome.cpuUtilization + outcome.memoryUtilization) / 2
        #expect(outcome.reward == 0.7 + 0.3 * utilisation || abs(outcome.reward - 0.7 - 0.3 * utilisation) < 1e-12)
    }
}
