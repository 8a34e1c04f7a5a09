// Objects as the API server sends them, for tests of what is made of them.

import Testing

@testable import Recommender

enum Sample {
    static func workload(
        replicas: Int = 3, annotations: [String: String] = [:], containers: String = #"[{"name":"main","resources":{"requests":{"cpu":"250m","memory":"128Mi"},"limits":{"cpu":"500m","memory":"256Mi"}}}]"#
    ) throws -> Workload {
        let marks = annotations.map { "\"aware.dev/\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
        return Workload(
            try JSON.parse(
                """
                {"metadata":{"namespace":"shop","name":"web","uid":"u","resourceVersion":"7","generation":2,"annotations":{\(marks)}},
                 "spec":{"replicas":\(replicas),"template":{"spec":{"containers":\(containers)}}},
                 "status":{"observedGeneration":2,"replicas":\(replicas),"updatedReplicas":\(replicas),"readyReplicas":\(replicas)}}
                """), kind: .deployment)!
    }

    static func pod(_ index: Int, cpu: String = "500m", memory: String = "256Mi", ready: Bool = true, status: String = "") throws -> Pod {
        Pod(
            try JSON.parse(
                """
                {"metadata":{"namespace":"shop","name":"web-abc-\(index)","uid":"p\(index)","labels":{"pod-template-hash":"abc"},
                  "ownerReferences":[{"kind":"ReplicaSet","name":"web-abc","controller":true}]},
                 "spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"250m","memory":"128Mi"},"limits":{"cpu":"\(cpu)","memory":"\(memory)"}}}]},
                 "status":{"phase":"Running","conditions":[{"type":"Ready","status":"\(ready ? "True" : "False")"}]\(status)}}
                """))!
    }

    static func autoscaler(_ extra: String = "", mode: String = "InPlaceOrRecreate", name: String = "web", recommender: String = "aware") throws -> PodAutoscaler {
        PodAutoscaler(
            try JSON.parse(
                """
                {"metadata":{"namespace":"shop","name":"\(name)","generation":5,"creationTimestamp":"2026-01-01T00:00:00Z"},
                 "spec":{"targetRef":{"kind":"Deployment","name":"web"},"recommenders":[{"name":"\(recommender)"}],
                         "updatePolicy":{"updateMode":"\(mode)"}\(extra)}}
                """), .verticalPodAutoscalers)!
    }

    static func assignment(_ cluster: ClusterSnapshot) throws -> Assignment {
        let found = WorkloadFinder().find(in: cluster).assignments
        return try #require(found.first)
    }
}
