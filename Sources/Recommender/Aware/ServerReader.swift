// Reads from a running server and tells it things, for the commands.

/// One connection to one server. Not thread-safe.
public final class ServerReader {
    public let base: String
    private let client: AwareClient
    /// For what may be long, and take long.
    private let patient: AwareClient

    /// - Parameters:
    ///   - tokenFile: a token in it is sent along; `nil` sends none.
    ///   - patienceSeconds: for what may be long.
    public init(base: String, tokenFile: String?, patienceSeconds: Int = 600) {
        let options = HTTPOptions(base: base)
        self.base = options.base
        let credentials = { Credentials(tokenFile.map { .tokenFile($0) } ?? .none) }
        client = AwareClient(options, credentials())
        var patience = options
        (patience.timeoutSeconds, patience.stallSeconds, patience.bodyBytesMax) = (patienceSeconds, patienceSeconds, 1 << 30)
        patient = AwareClient(patience, credentials())
    }

    /// Why there is nothing to show, with what to do about it.
    public struct Failure: Error, CustomStringConvertible {
        public let status: Int
        public let description: String

        init(_ failure: AwareFailure, _ base: String, _ path: String) {
            status = failure.status
            let advice =
                switch failure.status {
                case 0: " Is a server running there? `aware serve` starts one; --server says where it is."
                case 401: " Give --token-file with a token of `aware token create`."
                case 403: " The token's scope does not suffice: read to look, admin to import."
                case 200..<300: " That is no answer of aware: is it another server?"
                default: ""
                }
            description = (failure.status == 0 ? failure.description + "." : "\(base)\(path): \(failure.description)") + advice
        }
    }

    /// The document at `path`; any status but 2xx is a failure.
    public func get(_ path: String) throws(Failure) -> JSON { try send("GET", path, nil) }

    /// Sends a document; any status but 2xx is a failure.
    public func send(_ method: String, _ path: String, _ body: String?) throws(Failure) -> JSON {
        do { return try client.send(method, path, body) } catch { throw Failure(error, base, path) }
    }

    /// The bytes at `path`; any status but 2xx is a failure.
    public func bytes(_ path: String) throws(Failure) -> [UInt8] {
        do {
            let answer = try patient.answer("GET", path)
            if !answer.isSuccess { _ = try client.document(of: answer) }
            return answer.body
        } catch {
            throw Failure(error, base, path)
        }
    }

    /// Sends bytes; any status but 2xx is a failure.
    public func send(_ method: String, _ path: String, bytes: [UInt8]) throws(Failure) -> JSON {
        var request = HTTPRequest(method, path)
        (request.body, request.contentType) = (bytes, "application/octet-stream")
        do { return try patient.document(of: patient.answer(request)) } catch { throw Failure(error, base, path) }
    }

    /// Whatever is answered.
    public func answer(_ path: String) throws(Failure) -> HTTPAnswer {
        do { return try client.answer("GET", path) } catch { throw Failure(error, base, path) }
    }
}
