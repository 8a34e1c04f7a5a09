// Who asks for aware, in what way, and who stands in the way.

import Testing

@testable import Recommender

@Suite struct FinderTests {
    private func cluster(_ annotations: [String: String] = [:]) throws -> ClusterSnapshot {
        var cluster = ClusterSnapshot()
        let workload = try Sample.workload(annotations: annotations)
        cluster.workloads[workload.id] = workload
        return cluster
    }

    @Test func whoDoesNotAskIsLeftAlone() throws {
        #expect(WorkloadFinder().find(in: try cluster()).assignments.isEmpty)
        #expect(WorkloadFinder().find(in: try cluster(["mode": "off"])).assignments.isEmpty)
        var other = try cluster()
        other.autoscalers = [try Sample.autoscaler(recommender: "default")]
        #expect(WorkloadFinder().find(in: other).assignments.isEmpty, "a VPA of another recommender is not ours")
    }

    @Test func aMisspeltModeWritesNothingAndIsTold() throws {
        let assignment = try Sample.assignment(cluster(["mode": "bothh"]))
        #expect(assignment.mode == .shadow && assignment.refusals.map(\.reason) == ["UnknownMode"])
    }

    @Test func theAnnotationHasTheLastWord() throws {
        var asked = try cluster(["mode": "shadow"])
        asked.autoscalers = [try Sample.autoscaler()]
        #expect(try Sample.assignment(asked).mode == .shadow)
        asked = try cluster()
        asked.autoscalers = [try Sample.autoscaler()]
        let assignment = try Sample.assignment(asked)
        #expect(assignment.mode == .vertical && assignment.vertical == .autoscaler && assignment.horizontal == .nobody)
    }

    @Test func anHPAKeepsTheScaleAndItsResource() throws {
        var asked = try cluster(["mode": "both"])
        let scaler = try #require(
            OtherScaler.horizontal(
                try JSON.parse(
                    #"{"metadata":{"namespace":"shop","name":"web"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"},"metrics":[{"resource":{"name":"cpu","target":{"type":"Utilization"}}}]}}"#)))
        asked.others = [scaler]
        let assignment = try Sample.assignment(asked)
        #expect(assignment.horizontal == .nobody && assignment.vertical == .pods && assignment.resources == [.memory])
        #expect(Set(assignment.refusals.map(\.reason)) == ["ScaledByAnother", "ResourceScaledByAnother"])
    }

    @Test func whatCannotBeReadMayHideAConflict() throws {
        var asked = try cluster(["mode": "both"])
        asked.unreadable = ["horizontalpodautoscalers"]
        let assignment = try Sample.assignment(asked)
        #expect(assignment.horizontal == .nobody && assignment.vertical == .nobody)
        #expect(assignment.refusals.map(\.reason) == ["ConflictsUnknown"])
    }

    @Test func profilesAreDerivedAndTheOwnersWordsWin() throws {
        let assignment = try Sample.assignment(cluster(["mode": "shadow", "latency": "250ms", "max-replicas": "7"]))
        let sizing = Sizing(containers: ["main"]) { _ in assignment.workload.containers[0].resources }
        let profile = DerivedProfile(assignment, sizing: sizing)
        let json = try JSON.parse(profile.text)
        #expect(profile.isExplicit && json["replicas"]?["max"]?.integer == 7 && json["slo"]?["latencySeconds"]?.number == 0.25)
        #expect(json["memory"]?["max"]?.string == "1Gi" && json["memory"]?["min"]?.string == "64Mi")
        let own = try Sample.assignment(cluster(["mode": "shadow"]))
        #expect(!DerivedProfile(own, sizing: sizing).isExplicit)
    }

    @Test func killsAreCountedOnce() throws {
        let killed = #","containerStatuses":[{"name":"main","restartCount":1,"lastState":{"terminated":{"reason":"OOMKilled","finishedAt":"2026-01-01T00:00:00Z","containerID":"c1"}}}]"#
        let (before, after) = (try Sample.pod(0), try Sample.pod(0, status: killed))
        #expect(KillCounter.kills(before, after, now: 0) == 1 && KillCounter.kills(after, after, now: 0) == 0)
        #expect(KillCounter.kills(nil, after, now: 2e9) == 0, "an old kill that is seen for the first time is not news")
        var counter = KillCounter()
        counter.add(3, to: before.owner)
        counter.told(2, of: before.owner)
        #expect(counter.count(before.owner) == 1)
    }
}
