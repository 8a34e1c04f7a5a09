// Which handler answers which method and path: registered as patterns, compiled into a tree that is matched byte by byte.

/// Answers a request on the loop's queue, synchronously: it must not block. The request and everything reached through
/// it is valid only during the call.
public typealias Handler = @Sendable (_ request: borrowing Request, _ response: inout Response) -> HandlerResult

/// What a handler decided about its answer.
public enum HandlerResult: Sendable {
    /// The response as written is the answer.
    case respond
    /// The answer follows later, through `Server.release` (the response as written) or `Server.complete` (another one).
    /// Only after `request.deferral()`.
    case deferred
    /// The response's head is sent now, its body through the handle that `request.openStream()` returned.
    case stream
}

/// Settings of one route.
public struct RouteOptions: Sendable {
    /// Bytes of a body; 413 above. nil: `ServerOptions.bodyBytesMax`.
    public var bodyBytesMax: Int?
    /// How urgent it is; nil: GET is a read, everything else work. `Router.prioritized` sets it for all routes at once.
    public var priority: Priority?
    /// How long a deferred answer may take, in milliseconds, where that is longer than
    /// `ServerOptions.deferredTimeoutMilliseconds`.
    public var patienceMilliseconds: Int?

    public init(bodyBytesMax: Int? = nil, priority: Priority? = nil, patienceMilliseconds: Int? = nil) {
        self.bodyBytesMax = bodyBytesMax
        self.patienceMilliseconds = patienceMilliseconds
        self.priority = priority
    }
}

/// A set of routes. HEAD is answered by the GET route without a body, OPTIONS with `Allow`, a known path with another
/// method by 405 with `Allow`, anything else by 404.
///
/// Patterns are literal segments and parameters that take one whole, non-empty segment:
/// `/v1/applications/{app}/models/{version}`. Literals win over parameters.
public struct Router: Sendable {
    struct Route: Sendable {
        let method: Method
        let pattern: String
        var options: RouteOptions
        let handler: Handler

        var priority: Priority { options.priority ?? (method == .get ? .read : .work) }
    }

    /// One segment of a pattern: where it leads and what is registered there.
    struct Node: Sendable {
        var literals: [(text: [UInt8], node: Int)] = []
        var parameter: Int?
        /// Indices into `entries`, by `Method.rawValue`; -1 where there is none.
        var routes = [Int](repeating: -1, count: Method.allCases.count)
        var hasRoutes = false
    }

    private(set) var entries: [Route] = []
    private(set) var nodes = [Node()]
    /// The most parameters in one pattern.
    static let parametersMax = 8

    public init() {}

    /// All routes as registered, in order.
    public var routes: [(method: Method, pattern: String)] {
        entries.map { ($0.method, $0.pattern) }
    }

    /// Registers `handler`.
    ///
    /// - Precondition: the pattern starts with "/", has no empty segment except in "/" itself, at most eight parameters,
    ///   and is not registered yet for `method`. HEAD and OPTIONS are derived and cannot be registered.
    public mutating func add(
        _ method: Method, _ pattern: String, options: RouteOptions = RouteOptions(), _ handler: @escaping Handler
    ) {
        precondition(pattern.hasPrefix("/"), "a pattern starts with a slash: \(pattern)")
        precondition(method != .head && method != .options && method != .other, "\(method) is derived, not registered")
        var node = 0
        var parameters = 0
        for segment in pattern.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        where pattern != "/" {
            precondition(!segment.isEmpty, "a pattern has no empty segments: \(pattern)")
            if segment.first == UInt8(ascii: "{"), segment.last == UInt8(ascii: "}") {
                parameters += 1
                if nodes[node].parameter == nil { nodes[node].parameter = addNode() }
                node = nodes[node].parameter ?? 0
            } else if let known = nodes[node].literals.first(where: { $0.text.elementsEqual(segment) }) {
                node = known.node
            } else {
                let child = addNode()
                nodes[node].literals.append((Array(segment), child))
                node = child
            }
        }
        precondition(parameters <= Self.parametersMax, "a pattern has at most eight parameters: \(pattern)")
        precondition(nodes[node].routes[Int(method.rawValue)] < 0, "registered twice: \(method.name) \(pattern)")
        nodes[node].routes[Int(method.rawValue)] = entries.count
        nodes[node].hasRoutes = true
        entries.append(Route(method: method, pattern: pattern, options: options, handler: handler))
    }

    mutating func setPriorities(_ priority: (Method, String) -> Priority) {
        for i in entries.indices { entries[i].options.priority = priority(entries[i].method, entries[i].pattern) }
    }

    private mutating func addNode() -> Int {
        nodes.append(Node())
        return nodes.count - 1
    }
}
