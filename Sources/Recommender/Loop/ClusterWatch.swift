// Everything of the cluster that matters, kept up to date by watches, one thread each.

import Foundation
import Synchronization

/// OOM kills as the pods' watch counts them.
final class KillBook: Sendable {
    let counter = Mutex(KillCounter())
}

/// Watches a cluster, or some of its namespaces.
final class ClusterWatch: Sendable {
    private let workloads = ObjectCache<Workload>()
    private let statefulSets = ObjectCache<Workload>()
    private let pods = ObjectCache<Pod>()
    private let autoscalers = ObjectCache<PodAutoscaler>()
    private let multidim = ObjectCache<PodAutoscaler>()
    private let applications = ObjectCache<ApplicationClaim>()
    private let horizontal = ObjectCache<OtherScaler>()
    private let keda = ObjectCache<OtherScaler>()
    private let datadog = ObjectCache<OtherScaler>()
    private let watermark = ObjectCache<OtherScaler>()
    let kills = KillBook()
    private let starts: Mutex<[@Sendable () -> Void]>

    /// - Parameter namespaces: empty for all.
    init(
        _ access: ClusterAccess, namespaces: [String], cancellation: Cancellation, log: @escaping @Sendable (String) -> Void
    ) {
        starts = Mutex([])
        var starts: [@Sendable () -> Void] = []
        func watch<Object>(
            _ resource: Resource, _ cache: ObjectCache<Object>, _ read: @escaping @Sendable (JSON) -> Object?,
            changed: @escaping @Sendable (Object?, Object?) -> Void = { _, _ in }
        ) {
            for namespace in namespaces.isEmpty ? [nil] : namespaces.map(Optional.some) {
                let reflector = Reflector(
                    resource, namespace: namespace, access, into: cache, cancellation: cancellation, log: log, read: read,
                    changed: changed)
                starts.append { reflector.start() }
            }
        }
        watch(.deployments, workloads, { Workload($0, kind: .deployment) })
        watch(.statefulSets, statefulSets, { Workload($0, kind: .statefulSet) })
        watch(
            .pods, pods, { Pod($0) },
            changed: { [kills] before, after in
                guard let owner = after?.owner else { return }
                let count = KillCounter.kills(before, after, now: Date().timeIntervalSince1970)
                kills.counter.withLock { $0.add(count, to: owner) }
            })
        watch(.verticalPodAutoscalers, autoscalers, { PodAutoscaler($0, .verticalPodAutoscalers) })
        watch(.multidimPodAutoscalers, multidim, { PodAutoscaler($0, .multidimPodAutoscalers) })
        watch(.applications, applications, { ApplicationClaim($0) })
        watch(.horizontalPodAutoscalers, horizontal, { OtherScaler.horizontal($0) })
        watch(.scaledObjects, keda, { OtherScaler.keda($0) })
        watch(.datadogPodAutoscalers, datadog, { OtherScaler.datadog($0) })
        watch(.watermarkPodAutoscalers, watermark, { OtherScaler.watermark($0) })
        self.starts.withLock { [starts] in $0 = starts }
    }

    func start() { for start in starts.withLock({ $0 }) { start() } }

    /// What is not read yet, or cannot be read: nothing is decided without workloads and pods.
    var missing: [String] {
        var missing: [String] = []
        if !workloads.isReady { missing.append("deployments") }
        if !statefulSets.isReady { missing.append("statefulsets") }
        if !pods.isReady { missing.append("pods") }
        for (name, isReady) in [
            ("verticalpodautoscalers", autoscalers.isReady || Self.isFailing(autoscalers.condition)),
            ("applications", applications.isReady || Self.isFailing(applications.condition)),
            ("horizontalpodautoscalers", horizontal.isReady || Self.isFailing(horizontal.condition)),
        ] where !isReady { missing.append(name) }
        return missing
    }

    private static func isFailing<Object>(_ condition: ObjectCache<Object>.Condition) -> Bool {
        if case .failing = condition { true } else { false }
    }

    /// The cluster as it is known now.
    func snapshot() -> ClusterSnapshot {
        var snapshot = ClusterSnapshot()
        for workload in workloads.objects.values { snapshot.workloads[workload.id] = workload }
        for workload in statefulSets.objects.values { snapshot.workloads[workload.id] = workload }
        for pod in pods.objects.values { snapshot.pods[pod.owner, default: []].append(pod) }
        snapshot.autoscalers = Array(autoscalers.objects.values) + Array(multidim.objects.values)
        snapshot.applications = Array(applications.objects.values)
        for (name, cache) in [
            ("horizontalpodautoscalers", horizontal), ("scaledobjects", keda), ("datadogpodautoscalers", datadog),
            ("watermarkpodautoscalers", watermark),
        ] {
            snapshot.others += Array(cache.objects.values)
            // What could be read once is known well enough; what never could be might hide a conflict.
            if !cache.isReady { snapshot.unreadable.append(name) }
        }
        if !autoscalers.isReady { snapshot.unreadable.append("verticalpodautoscalers") }
        return snapshot
    }
}
