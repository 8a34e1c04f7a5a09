// Reads from a running server and tells it things, for the commands.

/// One connection to one server. Not thread-safe.
public final class ServerReader {
    public let base: String
    private let http: HTTPClient
    private let credentials: Credentials

    /// - Parameter tokenFile: a token in it is sent along; `nil` sends none.
    public init(base: String, tokenFile: String?) {
        let options = HTTPOptions(base: base)
        self.base = options.base
        http = HTTPClient(options)
        credentials = Credentials(tokenFile.map { .tokenFile($0) } ?? .none)
    }

    /// Why there is nothing to show, with what to do about it.
    public struct Failure: Error, CustomStringConvertible {
        public let status: Int
        public let description: String
    }

    /// The document at `path`; any status but 2xx is a failure.
    public func get(_ path: String) throws(Failure) -> JSON {
        let answer = try answer(path)
        guard answer.isSuccess, let document = try? JSON.parse(answer.body) else { throw Self.failure(answer, base, path) }
        return document
    }

    /// Sends a document; any status but 2xx is a failure.
    public func send(_ method: String, _ path: String, _ body: String) throws(Failure) -> JSON {
        let answer = try answer(path, method, body)
        guard answer.isSuccess, let document = try? JSON.parse(answer.body) else { throw Self.failure(answer, base, path) }
        return document
    }

    /// Whatever is answered.
    public func answer(_ path: String, _ method: String = "GET", _ body: String? = nil) throws(Failure) -> HTTPAnswer {
        var request = HTTPRequest(method, path, body: body)
        do {
            if let authorization = try credentials.identity().authorization {
                request.headers.append(("Authorization", authorization))
            }
            return try http.send(request)
        } catch {
            throw Failure(status: 0, description: "\(error). Is a server running there? `aware serve` starts one; --server says where it is.")
        }
    }

    private static func failure(_ answer: HTTPAnswer, _ base: String, _ path: String) -> Failure {
        let detail = (try? JSON.parse(answer.body))?["detail"]?.string ?? String(answer.text.prefix(200))
        let advice =
            switch answer.status {
            case 401: " Give --token-file with a token of `aware token create`."
            case 403: " The token's scope does not suffice: read to look, admin to import."
            case 200..<300: " That is no answer of aware: is \(base) another server?"
            default: ""
            }
        return Failure(status: answer.status, description: "\(base)\(path) answered \(answer.status): \(detail)\(advice)")
    }
}
