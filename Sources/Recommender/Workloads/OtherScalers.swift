// Whoever else scales a workload: before aware writes, it looks for them.

import Foundation

/// One object that scales a workload.
struct OtherScaler: Sendable, Equatable {
    var kind: String
    var namespace: String
    var name: String
    var target: TargetReference
    /// Resources whose utilisation it acts on: sizing the same resource would move its own yardstick.
    var utilization: Set<SizedResource> = []
    /// It only carries out what aware says: its trigger reads aware's recommendation for this application.
    var application: String?

    /// HorizontalPodAutoscaler, autoscaling/v2.
    static func horizontal(_ json: JSON) -> OtherScaler? {
        guard var scaler = OtherScaler("HorizontalPodAutoscaler", json, "scaleTargetRef") else { return nil }
        for metric in json["spec"]?["metrics"]?.array ?? [] {
            for source in ["resource", "containerResource"] {
                let resource = metric[source]?["name"]?.string.flatMap(SizedResource.init)
                if let resource, metric[source]?["target"]?["type"]?.string == "Utilization" {
                    scaler.utilization.insert(resource)
                }
            }
        }
        // One that KEDA made stands for its ScaledObject, which is looked at itself.
        for owner in json["metadata"]?["ownerReferences"]?.array ?? [] where owner["kind"]?.string == "ScaledObject" {
            scaler.application = "ScaledObject \(owner["name"]?.string ?? "")"
        }
        return scaler
    }

    /// KEDA's ScaledObject.
    static func keda(_ json: JSON) -> OtherScaler? {
        guard var scaler = OtherScaler("ScaledObject", json, "scaleTargetRef") else { return nil }
        let triggers = json["spec"]?["triggers"]?.array ?? []
        let asked = triggers.compactMap { trigger in
            trigger["metadata"]?["url"]?.string.flatMap { application(in: $0, route: "recommendation") }
        }
        if !triggers.isEmpty, asked.count == triggers.count { scaler.application = asked.first }
        for trigger in triggers {
            if let resource = trigger["type"]?.string.flatMap(SizedResource.init) { scaler.utilization.insert(resource) }
        }
        return scaler
    }

    /// DatadogPodAutoscaler: its custom recommender stands in an annotation.
    static func datadog(_ json: JSON) -> OtherScaler? {
        guard var scaler = OtherScaler("DatadogPodAutoscaler", json, "targetRef") else { return nil }
        let annotation = json["metadata"]?["annotations"]?["autoscaling.datadoghq.com/custom-recommender"]?.string
        scaler.application = annotation.flatMap { application(in: $0, route: "recommender") }
        return scaler
    }

    /// WatermarkPodAutoscaler.
    static func watermark(_ json: JSON) -> OtherScaler? {
        guard var scaler = OtherScaler("WatermarkPodAutoscaler", json, "scaleTargetRef") else { return nil }
        scaler.application = json["spec"]?["recommender"]?["url"]?.string.flatMap {
            application(in: $0, route: "recommender")
        }
        return scaler
    }

    private init?(_ kind: String, _ json: JSON, _ reference: String) {
        let metadata = json["metadata"]
        guard let namespace = metadata?["namespace"]?.string, let name = metadata?["name"]?.string,
            let target = TargetReference(json["spec"]?[reference])
        else { return nil }
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.target = target
    }

    /// The application that a URL of ours names.
    private static func application(in url: String, route: String) -> String? {
        guard let start = url.range(of: "/v1/applications/") else { return nil }
        let rest = url[start.upperBound...]
        let name = rest.prefix { $0 != "/" }
        return rest.dropFirst(name.count).hasPrefix("/\(route)") ? String(name) : nil
    }
}
