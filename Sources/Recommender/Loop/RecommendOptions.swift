// How the control loop runs.

/// Options of `aware recommend`.
public struct RecommendOptions: Sendable {
    /// The aware server, for example `http://aware:8080`.
    public var server = HTTPOptions(base: "http://127.0.0.1:8080")
    public var credentials = Credentials(.none)
    public var prometheus = PrometheusAccess(base: "http://127.0.0.1:9090")
    public var labels = MetricLabels()
    /// Window of rates in seconds: at least four scrapes.
    public var windowSeconds = 120
    /// Traffic sources by name; empty for all.
    public var presets: [String] = []
    /// Namespaces; empty for all.
    public var namespaces: [String] = []
    /// The name in `spec.recommenders` that means us.
    public var recommender = "aware"
    public var intervalSeconds = 60.0
    /// Nothing is written to any workload, whatever its mode.
    public var isShadowOnly = false
    /// `nil` elects nobody: for one process alone.
    public var lease: (namespace: String, name: String)?
    public var identity = "aware-recommend"

    public init() {}
}
