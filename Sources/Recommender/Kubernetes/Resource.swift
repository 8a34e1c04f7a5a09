// Kinds of objects and their paths on the API server.

/// A kind that can be listed: group, version and plural.
public struct Resource: Sendable, Hashable, CustomStringConvertible {
    public var group: String
    public var version: String
    public var plural: String

    public init(_ group: String, _ version: String, _ plural: String) {
        self.group = group
        self.version = version
        self.plural = plural
    }

    public var description: String { group.isEmpty ? plural : "\(plural).\(group)" }

    private var root: String { group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)" }

    /// The collection, of one namespace or of all.
    public func path(namespace: String?) -> String {
        namespace.map { "\(root)/namespaces/\($0)/\(plural)" } ?? "\(root)/\(plural)"
    }

    public func path(_ namespace: String, _ name: String, _ subresource: String? = nil) -> String {
        "\(path(namespace: namespace))/\(name)" + (subresource.map { "/\($0)" } ?? "")
    }

    public static let pods = Resource("", "v1", "pods")
    public static let deployments = Resource("apps", "v1", "deployments")
    public static let statefulSets = Resource("apps", "v1", "statefulsets")
    public static let horizontalPodAutoscalers = Resource("autoscaling", "v2", "horizontalpodautoscalers")
    public static let verticalPodAutoscalers = Resource("autoscaling.k8s.io", "v1", "verticalpodautoscalers")
    public static let multidimPodAutoscalers = Resource("autoscaling.k8s.io", "v1alpha1", "multidimpodautoscalers")
    public static let scaledObjects = Resource("keda.sh", "v1alpha1", "scaledobjects")
    public static let datadogPodAutoscalers = Resource("datadoghq.com", "v1alpha2", "datadogpodautoscalers")
    public static let watermarkPodAutoscalers = Resource("datadoghq.com", "v1alpha1", "watermarkpodautoscalers")
    public static let applications = Resource("aware.dev", "v1alpha1", "applications")
    public static let leases = Resource("coordination.k8s.io", "v1", "leases")
    public static let events = Resource("events.k8s.io", "v1", "events")
}
