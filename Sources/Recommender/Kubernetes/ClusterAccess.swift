// Where the API server is and who we are there: from the pod's service account, or from a kubeconfig.

import Foundation

/// How to reach one cluster. Made once, shared by all threads.
public struct ClusterAccess: Sendable {
    public var options: HTTPOptions
    public var credentials: Credentials
    /// The namespace that we run in, or that the context names.
    public var namespace: String

    public init(options: HTTPOptions, credentials: Credentials, namespace: String) {
        self.options = options
        self.credentials = credentials
        self.namespace = namespace
    }

    /// The configuration is missing or does not make sense.
    public struct Unusable: Error, CustomStringConvertible {
        public let description: String
    }

    /// The service account of a pod where there is one and no kubeconfig was named, otherwise the kubeconfig.
    public static func find(
        kubeconfig: String?, context: String?, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> ClusterAccess {
        if kubeconfig == nil, context == nil, let access = try inCluster(environment) { return access }
        return try Kubeconfig.load(path: kubeconfig, environment: environment).access(context: context)
    }

    /// The folder that Kubernetes mounts into every pod (kubernetes.io, "Accessing the API from within a Pod").
    public static let serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// The pod's own access; `nil` outside a cluster.
    public static func inCluster(
        _ environment: [String: String], folder: String = serviceAccountFolder
    ) throws -> ClusterAccess? {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"],
            !host.isEmpty
        else { return nil }
        let token = "\(folder)/token"
        guard FileManager.default.isReadableFile(atPath: token) else {
            throw Unusable(
                description: "KUBERNETES_SERVICE_HOST is set, but \(token) cannot be read: set automountServiceAccountToken")
        }
        var options = HTTPOptions(base: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)")
        options.tls.caFile = "\(folder)/ca.crt"
        let namespace = try? String(contentsOfFile: "\(folder)/namespace", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        return ClusterAccess(
            options: options, credentials: Credentials(.tokenFile(token)), namespace: namespace ?? "default")
    }
}
