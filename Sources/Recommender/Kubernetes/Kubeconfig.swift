// A kubeconfig: clusters, users and contexts, from one file or from the list in KUBECONFIG.
//
// kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig: of several files the first that gives a
// name its meaning wins; relative paths are relative to the file they stand in.

import Foundation

struct Kubeconfig {
    private(set) var currentContext: String?
    private(set) var contexts: [String: [String: Any]] = [:]
    private(set) var clusters: [String: [String: Any]] = [:]
    private(set) var users: [String: [String: Any]] = [:]

    /// - Parameter path: a file; without it the list in `KUBECONFIG`, or `~/.kube/config`.
    static func load(path: String?, environment: [String: String]) throws -> Kubeconfig {
        let list: [String]
        if let path {
            list = [path]
        } else if let variable = environment["KUBECONFIG"], !variable.isEmpty {
            list = variable.split(separator: ":").map(String.init)
        } else {
            list = ["\(environment["HOME"] ?? NSHomeDirectory())/.kube/config"]
        }
        var merged = Kubeconfig()
        var isFound = false
        for file in list {
            guard FileManager.default.fileExists(atPath: file) else { continue }
            isFound = true
            try merged.merge(try String(contentsOfFile: file, encoding: .utf8), file: file)
        }
        guard isFound else {
            throw ClusterAccess.Unusable(
                description: "there is no cluster: neither a service account (KUBERNETES_SERVICE_HOST) nor a kubeconfig at \(list.joined(separator: ":")). Give --kubeconfig FILE")
        }
        return merged
    }

    /// Adds what `text` says and earlier files did not.
    mutating func merge(_ text: String, file: String) throws {
        let document: Any?
        do {
            document = try YAML.load(text)
        } catch {
            throw ClusterAccess.Unusable(description: "\(file) is no YAML: \(error)")
        }
        guard let root = document as? [String: Any] else {
            throw ClusterAccess.Unusable(description: "\(file) is no kubeconfig")
        }
        if currentContext == nil, let name = root["current-context"] as? String, !name.isEmpty { currentContext = name }
        // Foundation's deletingLastPathComponent traps on a name without a slash.
        let folder = file.lastIndex(of: "/").map { $0 == file.startIndex ? "/" : String(file[..<$0]) } ?? "."
        func add(_ list: String, _ member: String, to target: inout [String: [String: Any]]) {
            for element in (root[list] as? [[String: Any]]) ?? [] {
                guard let name = element["name"] as? String, target[name] == nil else { continue }
                var body = (element[member] as? [String: Any]) ?? [:]
                body["#folder"] = folder
                target[name] = body
            }
        }
        add("contexts", "context", to: &contexts)
        add("clusters", "cluster", to: &clusters)
        add("users", "user", to: &users)
    }

    /// The access that a context describes; without a name the current one.
    func access(context wanted: String?) throws -> ClusterAccess {
        guard let name = wanted ?? currentContext else {
            throw ClusterAccess.Unusable(
                description: "the kubeconfig has no current-context. Give --context NAME: \(contexts.keys.sorted())")
        }
        guard let context = contexts[name] else {
            throw ClusterAccess.Unusable(
                description: "the kubeconfig has no context \(name), only \(contexts.keys.sorted())")
        }
        let clusterName = context["cluster"] as? String ?? ""
        guard let cluster = clusters[clusterName], let server = cluster["server"] as? String else {
            throw ClusterAccess.Unusable(description: "the kubeconfig's context \(name) names no cluster with a server")
        }
        var options = HTTPOptions(base: server)
        options.proxy = cluster["proxy-url"] as? String
        options.tls.caFile = Self.path(cluster, "certificate-authority")
        options.tls.caData = try Self.data(cluster, "certificate-authority-data")
        options.tls.isInsecure = cluster["insecure-skip-tls-verify"] as? Bool ?? false
        options.tls.serverName = cluster["tls-server-name"] as? String
        let user = users[context["user"] as? String ?? ""] ?? [:]
        options.tls.certificateFile = Self.path(user, "client-certificate")
        options.tls.certificateData = try Self.data(user, "client-certificate-data")
        options.tls.keyFile = Self.path(user, "client-key")
        options.tls.keyData = try Self.data(user, "client-key-data")
        if let impersonated = user["as"] as? String { options.headers.append(("Impersonate-User", impersonated)) }
        for group in (user["as-groups"] as? [String]) ?? [] { options.headers.append(("Impersonate-Group", group)) }
        return ClusterAccess(
            options: options, credentials: Credentials(try Self.source(user, cluster, server)),
            namespace: context["namespace"] as? String ?? "default")
    }

    private static func source(
        _ user: [String: Any], _ cluster: [String: Any], _ server: String
    ) throws -> Credentials.Source {
        // As client-go: a file beats a token, for it can be renewed.
        if let file = path(user, "tokenFile") { return .tokenFile(file) }
        if let token = user["token"] as? String { return .token(token) }
        if let name = user["username"] as? String {
            return .basic(user: name, password: user["password"] as? String ?? "")
        }
        guard let exec = user["exec"] as? [String: Any], let command = exec["command"] as? String else { return .none }
        var environment: [String: String] = [:]
        for entry in (exec["env"] as? [[String: Any]]) ?? [] {
            if let name = entry["name"] as? String { environment[name] = entry["value"].map { "\($0)" } }
        }
        var info: [String: JSON]?
        if exec["provideClusterInfo"] as? Bool == true {
            info = ["server": .string(server)]
            if let data = cluster["certificate-authority-data"] as? String {
                info?["certificate-authority-data"] = .string(data)
            }
        }
        // A path with a folder is relative to the kubeconfig; a bare name is sought on the PATH.
        let isBare = !command.contains("/")
        return .exec(
            ExecPlugin(
                command: isBare ? command : path(exec.merging(["#folder": user["#folder"] ?? "."]) { $1 }, "command")!,
                arguments: ((exec["args"] as? [Any]) ?? []).map { "\($0)" }, environment: environment,
                apiVersion: exec["apiVersion"] as? String ?? "client.authentication.k8s.io/v1",
                installHint: exec["installHint"] as? String, cluster: info))
    }

    private static func path(_ body: [String: Any], _ key: String) -> String? {
        guard let value = body[key] as? String, !value.isEmpty else { return nil }
        return value.hasPrefix("/") ? value : "\(body["#folder"] as? String ?? ".")/\(value)"
    }

    private static func data(_ body: [String: Any], _ key: String) throws -> [UInt8]? {
        guard let text = body[key] as? String, !text.isEmpty else { return nil }
        guard let data = Data(base64Encoded: text, options: .ignoreUnknownCharacters) else {
            throw ClusterAccess.Unusable(description: "the kubeconfig's \(key) is no base64")
        }
        return Array(data)
    }
}
