// `aware recommend`: the control loop between a Kubernetes cluster, its Prometheus and an aware server.

import ArgumentParser
import Foundation
import HTTPServer
import Logging
import Operations
import Recommender
import Scaling
import Service

struct RecommendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recommend",
        abstract: "Observe a Kubernetes cluster, ask aware, and carry out what it answers.",
        discussion: """
            Ask for it, least risk first; the annotations stand on a Deployment or a StatefulSet:

              shadow      aware.dev/mode: shadow, or a VPA with recommenders: [{name: aware}] and updateMode Off
              vertical    such a VPA with updateMode InPlaceOrRecreate: its updater resizes the pods
              horizontal  aware.dev/mode: horizontal, or KEDA's metrics-api on .../recommendation?format=keda
              both        aware.dev/mode: both

            aware.dev/mode: off gets out again. aware.dev/latency (0.5s), percentile, min-replicas, max-replicas, containers, \
            service, query-requests, query-latency and profile (JSON) say the rest. An Application (aware.dev/v1alpha1) says \
            the same in an object of its own.

            When Prometheus is away what runs stays; when aware is away the local rules act and only add; when the API server \
            is away everything waits. Of several recommenders the holder of the lease acts.
            """)

    @Option(help: "The aware server. (env AWARE_SERVER)") var server = "http://127.0.0.1:8080"
    @Option(help: "File with the token for the server; read again every minute.") var tokenFile: String?
    @Option(help: "File with the authority of the server's certificate.") var serverCa: String?
    @Option(help: "Prometheus, Thanos, Mimir or VictoriaMetrics, with a path prefix if it has one.")
    var prometheus = "http://127.0.0.1:9090"
    @Option(help: "File with a bearer token for Prometheus.") var prometheusTokenFile: String?
    @Option(help: "File with the authority of Prometheus' certificate.") var prometheusCa: String?
    @Option(help: "A header for Prometheus, such as 'X-Scope-OrgID: team'. May be repeated.") var prometheusHeader: [String] = []
    @Option(help: "A parameter of every query, such as dedup=true. May be repeated.") var prometheusParameter: [String] = []
    @Option(help: "Matchers for container series, such as cluster=\"prod\".") var matchers = ""
    @Option(help: "Names of the labels for namespace, pod and container.") var labels = "namespace,pod,container"
    @Option(help: "Seconds of the window of rates: at least four scrapes; 20 to 3600.") var window = 120
    @Option(help: "Traffic source: istio, istio-ambient, linkerd, envoy, nginx, nginx-honor, opentelemetry or http. May be repeated. (default: all)")
    var preset: [String] = []
    @Option(help: "A kubeconfig. (default: the pod's service account, else KUBECONFIG, else ~/.kube/config)")
    var kubeconfig: String?
    @Option(help: "A context of the kubeconfig.") var context: String?
    @Option(help: "A namespace to look after. May be repeated. (default: all)") var namespace: [String] = []
    @Option(help: "The name in spec.recommenders that means this one.") var recommender = "aware"
    @Option(help: "Seconds between two looks at the cluster; 1 to 3600.") var interval = 60.0
    @Flag(help: "Write nothing to any workload, whatever its mode; statuses are written.") var shadowOnly = false
    @Flag(help: "One interval, then end: 0 when it went through.") var once = false
    @Option(help: "Lease that elects who acts, as NAMESPACE/NAME, or none for one process alone.")
    var lease = "none"
    @Option(help: "Where /metrics, /livez and /readyz of the recommender are served; none for nowhere.")
    var listen = "127.0.0.1:8081"
    @Option(help: Setting.logLevel.argument) var logLevel = "notice"
    @Option(help: Setting.logFormat.argument) var logFormat = "text"

    func run() async throws {
        let log = try logger()
        let (options, access) = try (recommendOptions(), clusterAccess())
        let loop = ControlLoop(options, access) { log.notice("\($0)") }
        if once {
            let went = await withCheckedContinuation { continuation in
                Thread.detachNewThread { continuation.resume(returning: loop.once()) }
            }
            print(loop.figures.text)
            guard went else { throw ExitCode.failure }
            return
        }
        let signals = await TerminationSignals()
        let endpoint = try listen == "none" ? nil : RecommendEndpoint(loop.figures, on: listen)
        print("aware recommend: \(options.server.base) decides, \(options.prometheus.options.base) measures, \(access.options.base) is watched")
        if let endpoint { print("metrics: http://\(endpoint.address)/metrics") }
        fflush(nil)
        loop.start()
        await signals.wait()
        log.notice("stopping")
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                loop.stop()
                continuation.resume()
            }
        }
        endpoint?.stop()
    }

    private func logger() throws -> Logger {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw CommandFailure("--log-level \(logLevel) is not one of: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        guard let format = LineLogHandler.Format(rawValue: logFormat) else {
            throw CommandFailure("--log-format \(logFormat) is not one of: text, json.")
        }
        return Logger(label: "recommend") { LineLogHandler(label: $0, level: level, format: format) }
    }

    private func clusterAccess() throws -> ClusterAccess {
        do {
            return try ClusterAccess.find(kubeconfig: kubeconfig, context: context)
        } catch {
            throw CommandFailure("\(error)")
        }
    }

    func recommendOptions() throws -> RecommendOptions {
        var options = RecommendOptions()
        options.server = try ServerArguments.options(CommonOptions.environment("SERVER") ?? server, "--server", ca: serverCa)
        if let file = tokenFile { options.credentials = Credentials(.tokenFile(file)) }
        options.prometheus = PrometheusAccess(base: prometheus)
        options.prometheus.options = try ServerArguments.options(prometheus, "--prometheus", ca: prometheusCa)
        options.prometheus.tokenFile = prometheusTokenFile
        options.prometheus.options.headers = try prometheusHeader.map { try ServerArguments.pair($0, ":", "--prometheus-header") }
        options.prometheus.parameters = try prometheusParameter.map { try ServerArguments.pair($0, "=", "--prometheus-parameter") }
        let names = labels.split(separator: ",").map(String.init)
        guard names.count == 3 else { throw CommandFailure("--labels \(labels) is not three names with commas between them.") }
        (options.labels.namespace, options.labels.pod, options.labels.container) = (names[0], names[1], names[2])
        options.labels.matchers = matchers
        guard (20...3600).contains(window) else { throw CommandFailure("--window \(window) is outside 20 to 3600.") }
        options.windowSeconds = window
        let known = TrafficPreset.all.map(\.name)
        for name in preset where !known.contains(name) {
            throw CommandFailure("--preset \(name) is not one of: \(known.joined(separator: ", ")).")
        }
        options.presets = preset
        options.namespaces = namespace
        options.recommender = recommender
        guard (1...3600).contains(interval) else { throw CommandFailure("--interval \(interval) is outside 1 to 3600.") }
        options.intervalSeconds = interval
        options.isShadowOnly = shadowOnly
        if lease != "none" {
            let parts = lease.split(separator: "/").map(String.init)
            guard parts.count == 2 else { throw CommandFailure("--lease \(lease) is not NAMESPACE/NAME, nor none.") }
            options.lease = (parts[0], parts[1])
        }
        options.identity = "\(ProcessInfo.processInfo.hostName)_\(UUID().uuidString.prefix(8))"
        return options
    }
}
