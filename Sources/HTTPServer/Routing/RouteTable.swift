// A router compiled for matching: flat arrays, so that finding a route touches no reference count and allocates nothing.

/// The routes of a server, immutable.
final class RouteTable: Sendable {
    /// What a path leads to.
    enum Match: Equatable {
        case route(Int, parameters: Int)
        /// The path exists, the method does not; `allow` indexes `allow(_:)`. OPTIONS is answered from this, too.
        case otherMethod(node: Int)
        case none
    }

    private struct FlatNode {
        var firstLiteral = 0
        var literalCount = 0
        var parameter = -1
        var hasRoutes = false
    }

    private struct FlatLiteral {
        var firstByte = 0
        var byteCount = 0
        var node = 0
    }

    private let nodes: [FlatNode]
    private let literals: [FlatLiteral]
    private let text: [UInt8]
    /// Route index by node and method.
    private let routes: [Int]
    private let allows: [String]
    let entries: [Router.Route]

    init(_ router: Router) {
        var (nodes, literals, text, routes, allows) = ([FlatNode](), [FlatLiteral](), [UInt8](), [Int](), [String]())
        for node in router.nodes {
            nodes.append(
                FlatNode(
                    firstLiteral: literals.count, literalCount: node.literals.count, parameter: node.parameter ?? -1,
                    hasRoutes: node.hasRoutes))
            for literal in node.literals {
                literals.append(FlatLiteral(firstByte: text.count, byteCount: literal.text.count, node: literal.node))
                text += literal.text
            }
            routes += node.routes
            allows.append(Self.allow(node))
        }
        (self.nodes, self.literals, self.text, self.routes, self.allows) = (nodes, literals, text, routes, allows)
        entries = router.entries
    }

    /// The value of `Allow` for a node: what is registered, and what follows from it.
    private static func allow(_ node: Router.Node) -> String {
        var names = [String]()
        for method in Method.allCases where node.routes[Int(method.rawValue)] >= 0 {
            names.append(method.name.description)
            if method == .get { names.append("HEAD") }
        }
        return (names + ["OPTIONS"]).joined(separator: ", ")
    }

    func allow(_ node: Int) -> String { allows[node] }

    /// `Allow` for `OPTIONS *`: what the server can do at all.
    var allowAll: String {
        var seen = Set<Method>(entries.map(\.method))
        if seen.contains(.get) { seen.insert(.head) }
        seen.insert(.options)
        return Method.allCases.filter(seen.contains).map(\.name.description).joined(separator: ", ")
    }

    /// Finds the route of `path` (as sent, percent-encoded) for `method`. Where parameters were found is written to
    /// `parameters`, as offsets that count from `offset` bytes before the path.
    func match(
        _ method: Method, _ path: UnsafeRawBufferPointer, offset: Int, parameters: UnsafeMutablePointer<ByteRange>
    ) -> Match {
        guard path.count > 0, path[0] == UInt8(ascii: "/") else { return .none }
        var found = 0
        let node = path.count == 1 ? 0 : descend(0, path, 1, offset, parameters, &found)
        guard node >= 0, nodes[node].hasRoutes else { return .none }
        let wanted = method == .head ? Method.get : method
        let route = routes[node * Method.allCases.count + Int(wanted.rawValue)]
        return route >= 0 ? .route(route, parameters: found) : .otherMethod(node: node)
    }

    /// The node for the segments from `start`, or -1. Literals are tried before the parameter; the depth is bounded by
    /// the patterns, not by the path.
    private func descend(
        _ node: Int, _ path: UnsafeRawBufferPointer, _ start: Int, _ offset: Int,
        _ parameters: UnsafeMutablePointer<ByteRange>, _ found: inout Int
    ) -> Int {
        var end = start
        while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
        guard end > start else { return -1 }
        let here = nodes[node]
        for i in here.firstLiteral..<here.firstLiteral + here.literalCount {
            let literal = literals[i]
            guard literal.byteCount == end - start, equals(literal, path, start) else { continue }
            let before = found
            let leaf = next(literal.node, path, end, offset, parameters, &found)
            if leaf >= 0 { return leaf }
            found = before
        }
        guard here.parameter >= 0, found < Router.parametersMax else { return -1 }
        parameters[found] = ByteRange(start: UInt32(offset + start), count: UInt32(end - start))
        found += 1
        return next(here.parameter, path, end, offset, parameters, &found)
    }

    private func next(
        _ node: Int, _ path: UnsafeRawBufferPointer, _ end: Int, _ offset: Int,
        _ parameters: UnsafeMutablePointer<ByteRange>, _ found: inout Int
    ) -> Int {
        if end == path.count { return nodes[node].hasRoutes ? node : -1 }
        return descend(node, path, end + 1, offset, parameters, &found)
    }

    private func equals(_ literal: FlatLiteral, _ path: UnsafeRawBufferPointer, _ start: Int) -> Bool {
        for i in 0..<literal.byteCount where text[literal.firstByte + i] != path[start + i] { return false }
        return true
    }
}
