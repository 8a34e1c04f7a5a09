// What can go wrong between us and the API server, and what each error asks for.

/// A request that did not succeed.
public struct KubernetesError: Error, Equatable, CustomStringConvertible {
    /// HTTP status; 0 when there was no answer.
    public var status: Int
    /// `Status.reason`, such as Conflict or Expired.
    public var reason: String
    public var message: String
    /// `details.causes[]`: reason and field, each.
    public var causes: [String] = []
    public var retryAfter: Double?
    public var isCancelled = false

    public init(status: Int, reason: String = "", message: String = "", retryAfter: Double? = nil) {
        self.status = status
        self.reason = reason
        self.message = message
        self.retryAfter = retryAfter
    }

    /// From an answer: its body is a `Status`, unless a proxy answered.
    init(_ answer: HTTPAnswer) {
        let body = try? JSON.parse(answer.body)
        self.init(status: answer.status, body: body, text: answer.text)
        retryAfter = answer.retryAfter ?? retryAfter
    }

    /// From a `Status` object.
    init(status: Int, body: JSON?, text: String = "") {
        let isStatus = body?["kind"]?.string == "Status"
        self.init(
            status: status, reason: isStatus ? body?["reason"]?.string ?? "" : "",
            message: isStatus ? body?["message"]?.string ?? "" : String(text.prefix(200)))
        let details = isStatus ? body?["details"] : nil
        causes = (details?["causes"]?.array ?? []).map { cause in
            [cause["reason"]?.string, cause["field"]?.string, cause["message"]?.string].compactMap { $0 }
                .joined(separator: " ")
        }
        retryAfter = details?["retryAfterSeconds"]?.number
    }

    init(_ failure: HTTPFailure) {
        self.init(status: 0, reason: failure.isTimeout ? "Timeout" : "Unreachable", message: failure.description)
        isCancelled = failure.isCancelled
    }

    public var description: String {
        let head = status == 0 ? reason : "\(status) \(reason)"
        return "\(head): \(message)" + (causes.isEmpty ? "" : " (\(causes.joined(separator: "; ")))")
    }

    /// What to do about it (kubernetes/community, API conventions; apimachinery meta/v1 StatusReason).
    public enum Remedy: Equatable, Sendable {
        /// Our own mistake: say so, do not repeat it.
        case bug
        /// Take a new token, once.
        case newCredential
        /// Rights are missing, or the object does not allow it: again much later.
        case slowRetry
        /// The object or its kind is gone: look again in a few minutes.
        case rediscover
        /// The server does not take this form of patch.
        case otherPatch
        /// Somebody else wrote first: read, decide and write again.
        case readAgain
        /// The place in the stream of changes is lost: list again.
        case listAgain
        /// The object is not valid: no repetition until it changes.
        case waitForChange
        /// Temporary; seconds to wait where the server says so.
        case retry(after: Double?)
    }

    public var remedy: Remedy {
        switch status {
        case 401: .newCredential
        case 403: .slowRetry
        case 404: .rediscover
        case 405, 406, 415: .otherPatch
        case 409: .readAgain
        case 410: .listAgain
        case 422: .waitForChange
        case 504 where causes.contains { $0.hasPrefix("ResourceVersionTooLarge") }: .listAgain
        case 429, 500...599, 0: .retry(after: retryAfter)
        default: .bug
        }
    }
}
