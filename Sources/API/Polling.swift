// Answers that are asked for again and again: tagged by their content, and 304 for whoever has them already.

import Base
import HTTPServer

extension APIContext {
    /// Answers a GET from the background queue, with an entity tag; 304 if the request knows it (RFC 9110 13.1.2).
    func polled(_ request: borrowing Request, _ work: @escaping @Sendable () throws -> ResponseBytes) -> HandlerResult {
        let known = request.header("if-none-match")
        return later(request) { try work().tagged(known: known) }
    }
}

extension ResponseBytes {
    /// The same with a weak tag (the bytes on the wire may be compressed or not), or 304 without a body.
    /// - Parameter revision: stands in front of a strong tag, for a condition (If-Match) on what the revision counts.
    func tagged(known: String?, revision: Int? = nil) -> ResponseBytes {
        guard status == .ok else { return self }
        // Two versions of one list whose checksums collide would only show the older one until the next change.
        let tag = "\"\(revision.map { "\($0)-" } ?? "")\(String(FNV1a.hash(body), radix: 16))\""
        var answer = self
        answer.headers.append(("ETag", revision == nil ? "W/" + tag : tag))
        if let known, Self.list(known, contains: tag) {
            answer.status = .notModified
            answer.contentType = nil
            answer.body = []
        }
        return answer
    }

    /// Weak comparison (RFC 9110 8.8.3.2) with each entry of If-None-Match.
    private static func list(_ known: String, contains tag: String) -> Bool {
        known == "*"
            || known.split(separator: ",").contains { entry in
                let entry = entry.drop { $0 == " " || $0 == "\t" }
                return (entry.hasPrefix("W/") ? entry.dropFirst(2) : entry).prefix { $0 != " " && $0 != "\t" } == tag
            }
    }
}
