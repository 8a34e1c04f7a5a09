// Statuses as upstream's updater acts on them, sizes as Kubernetes wants them, and what is observed.

import Scaling
import Testing

@testable import Recommender

@Suite struct StatusTests {
    private func recommendation(
        _ autoscaler: PodAutoscaler, desired: Allocation, origin: Recommendation.Origin = .nobody(why: "a test")
    ) throws -> Recommendation {
        var cluster = ClusterSnapshot()
        let workload = try Sample.workload()
        let pods = try (0..<3).map { try Sample.pod($0) }
        cluster.workloads[workload.id] = workload
        cluster.pods[workload.id] = pods
        cluster.autoscalers = [autoscaler]
        let assignment = try Sample.assignment(cluster)
        let observed = ObservationBuilder(metrics: ClusterMetrics(), time: 0).observe(
            assignment, pods: pods, kills: 0, percentile: 99, last: nil)
        let current = Allocation(replicas: 3, cpuMillicores: 500, memoryBytes: 256 << 20)
        return Recommendation(
            assignment: assignment, observed: observed, current: current, desired: desired, origin: origin, pods: pods)
    }

    private func container(_ status: JSON) throws -> JSON {
        try #require(status["recommendation"]?["containerRecommendations"]?.array.first)
    }

    @Test func aWantedTargetHasTightBoundsAndIsARequest() throws {
        let autoscaler = try Sample.autoscaler()
        let wanted = Allocation(replicas: 3, cpuMillicores: 500, memoryBytes: 512 << 20)
        let status = AutoscalerStatus.status(of: autoscaler, try recommendation(autoscaler, desired: wanted), refusals: [], at: 100)
        let item = try container(status)
        #expect(item["containerName"]?.string == "main")
        // Limits of 512Mi at a request of half of it.
        #expect(item["target"]?["memory"]?.string == "256Mi")
        #expect(item["lowerBound"]?["memory"]?.string == "256Mi" && item["upperBound"]?["memory"]?.string == "256Mi")
        // CPU does not change: no pod may be touched for it.
        #expect(item["target"]?["cpu"]?.string == "250m" && item["lowerBound"]?["cpu"]?.string == "1m")
        #expect(status["observedGeneration"]?.integer == 5)
    }

    @Test func inShadowNothingIsTight() throws {
        let autoscaler = try Sample.autoscaler(mode: "Off")
        let wanted = Allocation(replicas: 3, cpuMillicores: 500, memoryBytes: 512 << 20)
        let item = try container(
            AutoscalerStatus.status(of: autoscaler, try recommendation(autoscaler, desired: wanted), refusals: [], at: 100))
        #expect(item["target"]?["memory"]?.string == "256Mi" && item["lowerBound"]?["memory"]?.string == "1Mi")
    }

    @Test func targetsStayWithinThePolicyAndUncappedOnesAreShown() throws {
        let autoscaler = try Sample.autoscaler(
            #","resourcePolicy":{"containerPolicies":[{"containerName":"*","maxAllowed":{"memory":"200Mi"},"controlledResources":["memory"]}]}"#)
        let wanted = Allocation(replicas: 3, cpuMillicores: 500, memoryBytes: 512 << 20)
        let item = try container(
            AutoscalerStatus.status(of: autoscaler, try recommendation(autoscaler, desired: wanted), refusals: [], at: 100))
        #expect(item["target"]?["memory"]?.string == "200Mi" && item["uncappedTarget"]?["memory"]?.string == "256Mi")
        #expect(item["target"]?["cpu"] == nil, "CPU is not controlled")
    }

    @Test func transitionTimesMoveOnlyWithTheStatus() {
        let first = Condition.merged([Condition("A", true, "R", "one")], into: [], generation: nil, at: 100)
        let same = Condition.merged([Condition("A", true, "R", "two")], into: first.array, generation: nil, at: 200)
        let other = Condition.merged([Condition("A", false, "R", "two")], into: same.array, generation: nil, at: 300)
        #expect(same.array[0]["lastTransitionTime"] == first.array[0]["lastTransitionTime"])
        #expect(same.array[0]["message"]?.string == "two")
        #expect(other.array[0]["lastTransitionTime"] != first.array[0]["lastTransitionTime"])
    }

    @Test func containersShareTheSizeAndRequestsKeepTheirRatio() {
        var main = Resources()
        main.requests = [.cpu: 300, .memory: 300 << 20]
        main.limits = [.cpu: 600, .memory: 300 << 20]
        var helper = Resources()
        helper.requests = [.cpu: 200]
        let sizing = Sizing(containers: ["main", "helper"]) { $0 == "main" ? main : helper }
        #expect(sizing.total(.cpu) == 800 && sizing.total(.memory) == 300 << 20)
        #expect(sizing.withoutLimit == [.cpu] && sizing.unsized.isEmpty)
        let sized = sizing.resources(
            Allocation(replicas: 1, cpuMillicores: 1600, memoryBytes: 450 << 20), only: [.cpu, .memory]) { _ in false }
        #expect(sized["main"]?.limits == [.cpu: 1200, .memory: 450 << 20])
        #expect(sized["main"]?.requests == [.cpu: 600, .memory: 450 << 20], "what was equal stays equal")
        #expect(sized["helper"]?.requests == [.cpu: 400] && sized["helper"]?.limits.isEmpty == true)
    }

    @Test func theHighestReplicaCountsAndStaleOnesDoNot() throws {
        var cluster = ClusterSnapshot()
        let workload = try Sample.workload(annotations: ["mode": "shadow"])
        cluster.workloads[workload.id] = workload
        let assignment = try Sample.assignment(cluster)
        let pods = try (0..<3).map { try Sample.pod($0) }
        var metrics = ClusterMetrics()
        for (index, used) in [100.0, 240, 250].enumerated() {
            let key = ContainerKey(namespace: "shop", pod: "web-abc-\(index)", container: "main")
            metrics.memory[key] = used * 1_048_576
            metrics.cpu[key] = 0.25
            metrics.age[ObjectKey(namespace: "shop", name: "web-abc-\(index)")] = index == 2 ? 500 : 5
        }
        metrics.requests[ObjectKey(namespace: "shop", name: "web")] = 40
        metrics.latency["99"] = [ObjectKey(namespace: "shop", name: "web"): 0.2]
        let observed = ObservationBuilder(metrics: metrics, time: 9).observe(
            assignment, pods: pods, kills: 2, percentile: 99, last: Allocation(replicas: 4, cpuMillicores: 500, memoryBytes: 256 << 20))
        let observation = observed.observation
        #expect(observation.replicas == 3 && observation.readyReplicas == 3 && observation.oomKills == 2)
        #expect(abs((observation.memoryPeakUtilization ?? 0) - 240.0 / 256) < 1e-9)
        #expect(observation.cpuUtilization == 0.5 && observation.requestRate == 40 && observation.latencySeconds == 0.2)
        #expect(!observation.applied, "four replicas were decided and three run")
        #expect(observed.notes.map(\.reason) == ["StaleMetrics"])
    }
}
