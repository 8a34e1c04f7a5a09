// Bodies that never change while the server runs, such as pages compiled into the binary: compressed and tagged once.

/// A body known beforehand, with its validators and, where it helps, a gzip form.
public final class FixedBody: Sendable {
    public let contentType: ContentType
    public let body: [UInt8]
    /// A strong entity tag with its quotes, derived from the content.
    public let etag: String
    /// Seconds since 1970; nil sends no Last-Modified.
    public let lastModified: Int64?
    public let cacheControl: String?
    /// The gzip form, if it is smaller; its entity tag is `gzipETag`.
    let gzip: [UInt8]?
    let gzipETag: String
    /// Field lines ready to send, for the plain and the gzip form.
    let plainFields: [UInt8]
    let gzipFields: [UInt8]

    public init(
        _ body: [UInt8], contentType: ContentType, lastModified: Int64? = nil, cacheControl: String? = "no-cache"
    ) {
        self.body = body
        self.contentType = contentType
        self.lastModified = lastModified
        self.cacheControl = cacheControl
        // 64-bit FNV-1a: collisions matter only between versions of one file.
        let hash = body.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
        let digits = String(hash, radix: 16)
        etag = "\"\(digits)\""
        gzipETag = "\"\(digits)-gzip\""
        let compressed = contentType.isCompressible ? Gzip.compress(body, level: 9) : nil
        gzip = compressed.flatMap { $0.count < body.count ? $0 : nil }
        var shared = "Content-Type: \(contentType.name)\r\n"
        if let cacheControl { shared += "Cache-Control: \(cacheControl)\r\n" }
        if let lastModified { shared += "Last-Modified: \(HTTPDate.text(lastModified))\r\n" }
        if gzip != nil { shared += "Vary: Accept-Encoding\r\n" }
        plainFields = Array((shared + "ETag: \(etag)\r\n").utf8)
        gzipFields = Array((shared + "ETag: \(gzipETag)\r\nContent-Encoding: gzip\r\n").utf8)
    }
}
