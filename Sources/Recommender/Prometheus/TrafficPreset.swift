// Where requests and latencies are counted: one preset a mesh, gateway or library, each grouped by workload.

/// One source of traffic metrics. Its expressions give one element a workload, labelled `namespace` and `workload`.
public struct TrafficPreset: Sendable, Equatable {
    public let name: String
    /// Counter of requests with its matchers.
    private let requests: Selector
    /// The same for those that failed.
    private let failures: [Selector]
    /// Histogram without its suffix; classic and native are both tried.
    private let latency: Selector
    /// What its unit must be divided by to give seconds.
    private let divisor: Double
    /// How the labels `namespace` and `workload` come about.
    private let naming: Naming

    private struct Selector: Sendable, Equatable {
        var metric: String
        var matchers: String

        init(_ metric: String, _ matchers: String = "") {
            self.metric = metric
            self.matchers = matchers
        }

        func text(_ more: String, suffix: String = "") -> String {
            let all = [matchers, more].filter { !$0.isEmpty }.joined(separator: ",")
            return all.isEmpty ? metric + suffix : "\(metric)\(suffix){\(all)}"
        }
    }

    private enum Naming: Sendable, Equatable {
        /// The two names stand in labels of their own.
        case labels(namespace: String, workload: String)
        /// Both are parts of one label.
        case parts(label: String, pattern: String)
        /// Whichever of several labels is there.
        case either(namespace: String, workloads: [String])
        /// From the name of the pod, as controllers make it.
        case pod
    }

    /// Alphabet of generated names (apimachinery util/rand): no vowels, so that no words come about.
    private static let safe = "[bcdfghjklmnpqrstvwxz2456789]"
    /// What controllers append to a workload's name for its pods: two generated parts for a deployment's, a number for a
    /// stateful set's.
    static let podSuffixes = (deployment: "\(safe){1,10}-\(safe){5}", statefulSet: "[0-9]{1,4}")

    /// - Parameter pods: labels that name namespace and pod.
    private func named(_ expression: String, _ pods: MetricLabels) -> String {
        switch naming {
        case .labels(let namespace, let workload):
            replace(replace(expression, "workload", workload), "namespace", namespace)
        case .parts(let label, let pattern):
            replace(replace(expression, "workload", label, "$2", pattern), "namespace", label, "$1", pattern)
        case .either(let namespace, let workloads):
            replace(
                "label_join(\(expression),\"workload\",\"\",\(workloads.map { "\"\($0)\"" }.joined(separator: ",")))",
                "namespace", namespace)
        case .pod:
            // A stateful set's pods end in an ordinal; a deployment's in two generated parts, which overrides.
            replace(
                replace(
                    replace(expression, "workload", pods.pod, "$1", "(.+)-\(Self.podSuffixes.statefulSet)"), "workload", pods.pod, "$1",
                    "(.+)-\(Self.podSuffixes.deployment)"), "namespace", pods.namespace)
        }
    }

    private func replace(
        _ expression: String, _ target: String, _ source: String, _ value: String = "$1", _ pattern: String = "(.+)"
    ) -> String {
        target == source && pattern == "(.+)"
            ? expression : "label_replace(\(expression),\"\(target)\",\"\(value)\",\"\(source)\",\"\(pattern)\")"
    }

    private func sum(_ selector: String, _ labels: MetricLabels, _ window: String, by more: String = "") -> String {
        "sum by (namespace,workload\(more)) (\(named("rate(\(selector)[\(window)])", labels)))"
    }

    /// Requests a second.
    func requestRate(_ labels: MetricLabels, window: String) -> String {
        sum(requests.text(labels.matchers), labels, window)
    }

    /// Failed requests a second.
    func failureRate(_ labels: MetricLabels, window: String) -> String {
        failures.map { "(\(sum($0.text(labels.matchers), labels, window)))" }.joined(separator: " or ")
    }

    /// Seconds at `quantile` (0..1): from the native histogram where there is one, otherwise from the classic one.
    func latencySeconds(_ labels: MetricLabels, quantile: Double, window: String) -> String {
        let native = "histogram_quantile(\(quantile),\(sum(latency.text(labels.matchers), labels, window)))"
        let classic =
            "histogram_quantile(\(quantile),\(sum(latency.text(labels.matchers, suffix: "_bucket"), labels, window, by: ",le")))"
        let either = "(\(native) or \(classic))"
        return divisor == 1 ? either : "\(either) / \(Int(divisor))"
    }

    public static let all: [TrafficPreset] = [
        TrafficPreset(
            name: "istio", requests: Selector("istio_requests_total", "reporter=\"destination\""),
            failures: [Selector("istio_requests_total", "reporter=\"destination\",response_code=~\"5..\"")],
            latency: Selector("istio_request_duration_milliseconds", "reporter=\"destination\""), divisor: 1000,
            naming: .labels(namespace: "destination_workload_namespace", workload: "destination_workload")),
        TrafficPreset(
            name: "istio-ambient", requests: Selector("istio_requests_total", "reporter=\"waypoint\""),
            failures: [Selector("istio_requests_total", "reporter=\"waypoint\",response_code=~\"5..\"")],
            latency: Selector("istio_request_duration_milliseconds", "reporter=\"waypoint\""), divisor: 1000,
            naming: .labels(namespace: "destination_workload_namespace", workload: "destination_canonical_service")),
        TrafficPreset(
            name: "linkerd", requests: Selector("request_total", "direction=\"inbound\""),
            failures: [Selector("response_total", "direction=\"inbound\",classification=\"failure\"")],
            latency: Selector("response_latency_ms", "direction=\"inbound\""), divisor: 1000,
            naming: .either(namespace: "namespace", workloads: ["deployment", "statefulset"])),
        TrafficPreset(
            name: "envoy", requests: Selector("envoy_cluster_upstream_rq_total"),
            failures: [Selector("envoy_cluster_upstream_rq_xx", "envoy_response_code_class=\"5\"")],
            latency: Selector("envoy_cluster_upstream_rq_time"), divisor: 1000,
            // Envoy Gateway: httproute/NAMESPACE/NAME/rule/0; Contour: NAMESPACE/SERVICE/PORT/HASH.
            naming: .parts(label: "envoy_cluster_name", pattern: "(?:[a-z]+route/)?([^/]+)/([^/]+)/.*")),
        TrafficPreset(
            name: "nginx", requests: Selector("nginx_ingress_controller_requests", "exported_service!=\"\""),
            failures: [
                Selector("nginx_ingress_controller_requests", "exported_service!=\"\",status=~\"5..\"")
            ], latency: Selector("nginx_ingress_controller_request_duration_seconds", "exported_service!=\"\""),
            divisor: 1, naming: .labels(namespace: "exported_namespace", workload: "exported_service")),
        // Where the scrape keeps the exporter's own labels (honorLabels).
        TrafficPreset(
            name: "nginx-honor", requests: Selector("nginx_ingress_controller_requests", "exported_service=\"\""),
            failures: [
                Selector("nginx_ingress_controller_requests", "exported_service=\"\",status=~\"5..\"")
            ], latency: Selector("nginx_ingress_controller_request_duration_seconds", "exported_service=\"\""),
            divisor: 1, naming: .labels(namespace: "namespace", workload: "service")),
        TrafficPreset(
            name: "opentelemetry", requests: Selector("http_server_request_duration_seconds_count"),
            failures: [
                Selector("http_server_request_duration_seconds_count", "http_response_status_code=~\"5..\"")
            ], latency: Selector("http_server_request_duration_seconds"), divisor: 1, naming: .pod),
        TrafficPreset(
            name: "http", requests: Selector("http_requests_total"),
            failures: [
                Selector("http_requests_total", "code=~\"5..\""), Selector("http_requests_total", "status=~\"5..\""),
            ], latency: Selector("http_request_duration_seconds"), divisor: 1, naming: .pod),
    ]
}
