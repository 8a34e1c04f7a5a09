// Requests to the API server: lists in pages, objects, patches of every type, watches.

import Foundation

/// How a patch is meant (kubernetes.io, "Update API Objects in Place Using kubectl patch").
public enum PatchType: String, Sendable {
    case json = "application/json-patch+json"
    case merge = "application/merge-patch+json"
    /// Built-in kinds only: custom resources answer 415.
    case strategic = "application/strategic-merge-patch+json"
    case apply = "application/apply-patch+yaml"
}

/// One connection to the API server. Not thread-safe: one client a thread.
public final class KubernetesClient {
    private static let pageSize = 500

    private let access: ClusterAccess
    private let http: HTTPClient
    private var certificate: [UInt8]?
    /// Warnings of the server that were not yet told; each comes once.
    private var told: Set<String> = []
    private let log: @Sendable (String) -> Void

    public init(
        _ access: ClusterAccess, cancellation: Cancellation? = nil, log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.access = access
        self.log = log
        http = HTTPClient(access.options, cancellation: cancellation)
    }

    /// Sends with our identity; after a 401 once more with a new one.
    private func send(_ request: HTTPRequest) throws(KubernetesError) -> HTTPAnswer {
        let answer = try attempt(request)
        guard answer.status == 401 else { return answer }
        access.credentials.refused()
        return try attempt(request)
    }

    private func attempt(_ request: HTTPRequest) throws(KubernetesError) -> HTTPAnswer {
        do {
            let answer = try http.send(try identified(request))
            if let warning = answer.headers["warning"], told.insert(warning).inserted { log("API server: \(warning)") }
            return answer
        } catch let failure as HTTPFailure {
            throw KubernetesError(failure)
        } catch {
            throw KubernetesError(status: 401, reason: "Unauthorized", message: "\(error)")
        }
    }

    private func identified(_ request: HTTPRequest) throws -> HTTPRequest {
        let identity = try access.credentials.identity()
        var request = request
        if let authorization = identity.authorization { request.headers.append(("Authorization", authorization)) }
        if let certificate = identity.certificate, certificate != self.certificate {
            self.certificate = certificate
            var tls = access.options.tls
            tls.certificateData = certificate
            tls.keyData = identity.key
            http.secure(tls)
        }
        return request
    }

    private func object(_ request: HTTPRequest) throws(KubernetesError) -> JSON {
        let answer = try send(request)
        guard answer.isSuccess else { throw KubernetesError(answer) }
        do {
            return try JSON.parse(answer.body)
        } catch {
            // The connection broke in the middle, or a proxy answered: like no answer.
            throw KubernetesError(status: 0, reason: "Malformed", message: "\(request.path): \(error)")
        }
    }

    public func get(_ path: String) throws(KubernetesError) -> JSON { try object(HTTPRequest("GET", path)) }

    public func create(_ path: String, _ body: JSON) throws(KubernetesError) -> JSON {
        try object(HTTPRequest("POST", path, body: body.text))
    }

    public func replace(_ path: String, _ body: JSON) throws(KubernetesError) -> JSON {
        try object(HTTPRequest("PUT", path, body: body.text))
    }

    public func patch(_ path: String, _ type: PatchType, _ body: JSON) throws(KubernetesError) -> JSON {
        var request = HTTPRequest("PATCH", "\(path)?fieldManager=aware", body: body.text)
        request.contentType = type.rawValue
        return try object(request)
    }

    /// The whole collection in pages, and where to watch from.
    public func list(
        _ resource: Resource, namespace: String?, each body: (JSON) -> Void
    ) throws(KubernetesError) -> String {
        var token: String?
        repeat {
            let path = resource.path(namespace: namespace) + "?limit=\(Self.pageSize)"
            let page = try get(path + (token.map { "&continue=\(Self.encoded($0))" } ?? ""))
            for item in page["items"]?.array ?? [] { body(item) }
            token = page["metadata"]?["continue"]?.string.flatMap { $0.isEmpty ? nil : $0 }
            if token == nil { return page["metadata"]?["resourceVersion"]?.string ?? "" }
        } while true
    }

    /// Hands over the lines of a watch until the server ends it, it stalls, or `onLine` says no.
    /// - Parameter seconds: after which the server shall end it.
    public func watch(
        _ resource: Resource, namespace: String?, from version: String, seconds: Int, stallSeconds: Int,
        onLine: @escaping ([UInt8]) -> Bool
    ) throws(KubernetesError) {
        let path =
            resource.path(namespace: namespace)
            + "?watch=true&allowWatchBookmarks=true&resourceVersion=\(Self.encoded(version))&timeoutSeconds=\(seconds)"
        var lines = LineSplitter()
        let answer: HTTPAnswer
        do {
            answer = try http.stream(
                try identified(HTTPRequest("GET", path)), timeoutSeconds: seconds + 30, stallSeconds: stallSeconds
            ) { bytes in lines.split(bytes, each: onLine) }
        } catch let failure as HTTPFailure {
            throw KubernetesError(failure)
        } catch {
            throw KubernetesError(status: 401, reason: "Unauthorized", message: "\(error)")
        }
        if answer.status == 401 { access.credentials.refused() }
        guard answer.isSuccess else { throw KubernetesError(answer) }
    }

    private static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
    }
}

/// Cuts a stream of bytes into lines, whatever pieces it comes in.
struct LineSplitter {
    private var rest: [UInt8] = []

    /// Whether `each` wants more.
    mutating func split(_ bytes: [UInt8], each body: ([UInt8]) -> Bool) -> Bool {
        var start = 0
        while let end = bytes[start...].firstIndex(of: 10) {
            let line = rest + bytes[start..<end]
            rest.removeAll(keepingCapacity: true)
            start = end + 1
            if !line.isEmpty, !body(line) { return false }
        }
        rest += bytes[start...]
        return true
    }
}
