// Credential plugins of client-go: a program prints an ExecCredential. EKS, GKE and AKS all work this way.
//
// kubernetes.io/docs/reference/access-authn-authz/authentication, "client-go credential plugins".

import Foundation

/// The `exec` part of a kubeconfig's user.
public struct ExecPlugin: Sendable, Equatable {
    public var command: String
    public var arguments: [String]
    public var environment: [String: String]
    public var apiVersion: String
    /// A hint for a person who lacks the program.
    public var installHint: String?
    /// What plugins with `provideClusterInfo: true` are told of the cluster.
    public var cluster: [String: JSON]?

    /// A program that hangs must not hold up the loop.
    private static let timeoutSeconds = 30.0

    /// Runs the program and reads what it prints.
    func run(now: Double) throws -> (Credentials.Identity, expires: Double) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [command] + arguments
        var spec: [String: JSON] = ["interactive": false]
        if let cluster { spec["cluster"] = .object(cluster) }
        let info: JSON = .object([
            "apiVersion": .string(apiVersion), "kind": "ExecCredential", "spec": .object(spec),
        ])
        process.environment = ProcessInfo.processInfo.environment
            .merging(environment) { $1 }.merging(["KUBERNETES_EXEC_INFO": info.text]) { $1 }
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("aware-exec-\(UUID().uuidString)").path
        // Only we may read what the program prints.
        _ = FileManager.default.createFile(atPath: file, contents: nil, attributes: [.posixPermissions: 0o600])
        defer { try? FileManager.default.removeItem(atPath: file) }
        process.standardOutput = FileHandle(forWritingAtPath: file)
        process.standardInput = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw failed("cannot be run: \(error)")
        }
        let deadline = ContinuousClock.now + .seconds(Self.timeoutSeconds)
        while process.isRunning, ContinuousClock.now < deadline { usleep(5000) }
        guard !process.isRunning else {
            kill(process.processIdentifier, SIGKILL)
            throw failed("has printed no credential within \(Int(Self.timeoutSeconds)) s")
        }
        guard process.terminationStatus == 0 else {
            throw failed("ended with status \(process.terminationStatus)\(installHint.map { ". \($0)" } ?? "")")
        }
        guard let bytes = FileManager.default.contents(atPath: file) else { throw failed("printed nothing") }
        return try Self.read(Array(bytes), command: command, now: now)
    }

    /// Reads an ExecCredential.
    static func read(_ bytes: [UInt8], command: String, now: Double) throws -> (
        Credentials.Identity, expires: Double
    ) {
        let document: JSON
        do {
            document = try JSON.parse(bytes)
        } catch {
            throw ClusterAccess.Unusable(description: "the credential plugin \(command) printed no JSON: \(error)")
        }
        guard document["kind"]?.string == "ExecCredential", let status = document["status"] else {
            throw ClusterAccess.Unusable(
                description: "the credential plugin \(command) printed no ExecCredential with a status")
        }
        var identity = Credentials.Identity()
        if let token = status["token"]?.string { identity.authorization = "Bearer \(token)" }
        if let certificate = status["clientCertificateData"]?.string, let key = status["clientKeyData"]?.string {
            identity.certificate = Array(certificate.utf8)
            identity.key = Array(key.utf8)
        }
        guard identity != Credentials.Identity() else {
            throw ClusterAccess.Unusable(
                description: "the credential plugin \(command) printed neither a token nor a certificate with its key")
        }
        let expiry = status["expirationTimestamp"]?.string.flatMap(KubernetesTime.seconds)
        // A little early: the request still has to arrive.
        return (identity, expiry.map { $0 - 10 } ?? .infinity)
    }

    private func failed(_ what: String) -> ClusterAccess.Unusable {
        ClusterAccess.Unusable(description: "the credential plugin \(command) \(what)")
    }
}
