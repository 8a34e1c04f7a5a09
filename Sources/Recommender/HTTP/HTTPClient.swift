// A blocking HTTP client over libcurl: one keep-alive connection, gzip, TLS, streaming, and a time limit on everything.

import CCurl
import Synchronization

/// A flag that ends transfers from another thread within about a second.
public final class Cancellation: Sendable {
    private let flag = Atomic(false)

    public init() {}
    public var isCancelled: Bool { flag.load(ordering: .acquiring) }
    public func cancel() { flag.store(true, ordering: .releasing) }
}

/// One connection to one server. Not thread-safe: one client a thread. Redirects are not followed: a token must not
/// travel to where an answer points.
public final class HTTPClient {
    private let handle: UnsafeMutableRawPointer
    private let options: HTTPOptions
    private let exchange = Exchange()
    private let cancellation: Cancellation?
    private let connectTo: UnsafeMutablePointer<curl_slist>?
    private let base: String

    /// What libcurl hands over while one request runs.
    fileprivate final class Exchange {
        var bytes: [UInt8] = []
        var headers: [String: String] = [:]
        /// Takes the bytes of a stream and says whether to go on; `nil` collects them.
        var onBytes: (([UInt8]) -> Bool)?
        var isStopped = false
        /// A peer that sends more is broken.
        var bodyBytesMax = 0
    }

    public init(_ options: HTTPOptions, cancellation: Cancellation? = nil) {
        guard let handle = curl_easy_init() else { fatalError("libcurl gives no handle: out of memory") }
        self.handle = handle
        self.options = options
        self.cancellation = cancellation
        (base, connectTo) = Self.named(options)
        exchange.bodyBytesMax = options.bodyBytesMax
        configure()
        secure(options.tls)
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(connectTo)
    }

    /// libcurl takes the name for SNI and for the certificate from the URL: the URL gets the server's name, and the
    /// connection goes to the true host.
    private static func named(_ options: HTTPOptions) -> (String, UnsafeMutablePointer<curl_slist>?) {
        guard let name = options.tls.serverName, options.base.hasPrefix("https://") else { return (options.base, nil) }
        let rest = options.base.dropFirst("https://".count)
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        let port: Substring
        let host: Substring
        if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
            (host, port) = (authority[..<colon], authority[authority.index(after: colon)...])
        } else {
            (host, port) = (authority, "443")
        }
        return ("https://\(name):\(port)\(path)", curl_slist_append(nil, "\(name):\(port):\(host):\(port)"))
    }

    private func configure() {
        _ = ccurl_set_long(handle, CURLOPT_NOSIGNAL, 1)
        _ = ccurl_set_long(handle, CURLOPT_CONNECTTIMEOUT, options.connectTimeoutSeconds)
        _ = ccurl_set_long(handle, CURLOPT_TCP_KEEPALIVE, 1)
        _ = ccurl_set_long(handle, CURLOPT_TCP_KEEPIDLE, 30)
        _ = ccurl_set_long(handle, CURLOPT_TCP_KEEPINTVL, 10)
        _ = ccurl_set_string(handle, CURLOPT_ACCEPT_ENCODING, "gzip")
        _ = ccurl_set_string(handle, CURLOPT_USERAGENT, "aware-recommend")
        if let proxy = options.proxy { _ = ccurl_set_string(handle, CURLOPT_PROXY, proxy) }
        if let connectTo { _ = ccurl_set_list(handle, CURLOPT_CONNECT_TO, connectTo) }
        _ = ccurl_set_pointer(handle, CURLOPT_WRITEDATA, Unmanaged.passUnretained(exchange).toOpaque())
        _ = ccurl_set_write(handle) { bytes, size, count, target in
            guard let bytes, let target else { return 0 }
            return Unmanaged<Exchange>.fromOpaque(target).takeUnretainedValue()
                .take(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
        }
        _ = ccurl_set_pointer(handle, CURLOPT_HEADERDATA, Unmanaged.passUnretained(exchange).toOpaque())
        _ = ccurl_set_header(handle) { bytes, size, count, target in
            guard let bytes, let target else { return 0 }
            Unmanaged<Exchange>.fromOpaque(target).takeUnretainedValue()
                .takeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
        guard let cancellation else { return }
        _ = ccurl_set_long(handle, CURLOPT_NOPROGRESS, 0)
        _ = ccurl_set_pointer(handle, CURLOPT_XFERINFODATA, Unmanaged.passUnretained(cancellation).toOpaque())
        _ = ccurl_set_progress(handle) { target, _, _, _, _ in
            guard let target else { return 0 }
            return Unmanaged<Cancellation>.fromOpaque(target).takeUnretainedValue().isCancelled ? 1 : 0
        }
    }

    /// Also after the client certificate changed: the next connection uses it.
    public func secure(_ tls: TLSOptions) {
        func blob(_ option: CURLoption, _ data: [UInt8]) {
            data.withUnsafeBytes { _ = ccurl_set_blob(handle, option, $0.baseAddress, $0.count) }
        }
        if let data = tls.caData {
            blob(CURLOPT_CAINFO_BLOB, data)
        } else if let file = tls.caFile {
            _ = ccurl_set_string(handle, CURLOPT_CAINFO, file)
        }
        if let data = tls.certificateData {
            blob(CURLOPT_SSLCERT_BLOB, data)
        } else if let file = tls.certificateFile {
            _ = ccurl_set_string(handle, CURLOPT_SSLCERT, file)
        }
        if let data = tls.keyData {
            blob(CURLOPT_SSLKEY_BLOB, data)
        } else if let file = tls.keyFile {
            _ = ccurl_set_string(handle, CURLOPT_SSLKEY, file)
        }
        _ = ccurl_set_long(handle, CURLOPT_SSL_VERIFYPEER, tls.isInsecure ? 0 : 1)
        _ = ccurl_set_long(handle, CURLOPT_SSL_VERIFYHOST, tls.isInsecure ? 0 : 2)
        _ = ccurl_set_long(handle, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    }

    /// Sends one request and waits for its answer, whatever its status.
    public func send(_ request: HTTPRequest) throws(HTTPFailure) -> HTTPAnswer {
        exchange.onBytes = nil
        return try perform(request, timeoutSeconds: options.timeoutSeconds, stallSeconds: options.stallSeconds)
    }

    /// Sends one request and hands its body over as it comes, until `onBytes` says no, which is no failure. The bytes
    /// of an answer other than 2xx are collected instead.
    /// - Parameters:
    ///   - timeoutSeconds: for the whole stream.
    ///   - stallSeconds: without a byte.
    public func stream(
        _ request: HTTPRequest, timeoutSeconds: Int, stallSeconds: Int, onBytes: @escaping ([UInt8]) -> Bool
    ) throws(HTTPFailure) -> HTTPAnswer {
        let handle = handle
        let exchange = exchange
        exchange.onBytes = { bytes in
            guard (200..<300).contains(ccurl_status(handle)) else {
                exchange.bytes += bytes
                return exchange.bytes.count <= exchange.bodyBytesMax
            }
            return onBytes(bytes)
        }
        defer { exchange.onBytes = nil }
        return try perform(request, timeoutSeconds: timeoutSeconds, stallSeconds: stallSeconds)
    }

    private func perform(
        _ request: HTTPRequest, timeoutSeconds: Int, stallSeconds: Int
    ) throws(HTTPFailure) -> HTTPAnswer {
        let url = base + request.path
        exchange.bytes.removeAll(keepingCapacity: exchange.bytes.capacity < 1 << 20)
        exchange.headers = [:]
        exchange.isStopped = false
        var list = curl_slist_append(nil, "Expect:")
        for (name, value) in options.headers + request.headers { list = curl_slist_append(list, "\(name): \(value)") }
        list = curl_slist_append(list, "Accept: \(request.accept)")
        if request.body != nil { list = curl_slist_append(list, "Content-Type: \(request.contentType)") }
        defer { curl_slist_free_all(list) }
        _ = ccurl_set_list(handle, CURLOPT_HTTPHEADER, list)
        _ = ccurl_set_string(handle, CURLOPT_URL, url)
        _ = ccurl_set_long(handle, CURLOPT_TIMEOUT, timeoutSeconds)
        _ = ccurl_set_long(handle, CURLOPT_LOW_SPEED_LIMIT, 1)
        _ = ccurl_set_long(handle, CURLOPT_LOW_SPEED_TIME, stallSeconds)
        if let body = request.body {
            _ = ccurl_set_long(handle, CURLOPT_POSTFIELDSIZE, body.count)
            // With a zero behind it: of an empty body, too, curl wants an address.
            _ = (body + [0]).withUnsafeBytes {
                ccurl_set_string(handle, CURLOPT_COPYPOSTFIELDS, $0.baseAddress!.assumingMemoryBound(to: CChar.self))
            }
        } else {
            _ = ccurl_set_long(handle, CURLOPT_HTTPGET, 1)
        }
        _ = ccurl_set_string(handle, CURLOPT_CUSTOMREQUEST, request.method)
        let code = curl_easy_perform(handle)
        let isStopped = exchange.isStopped && exchange.onBytes != nil && code == CURLE_WRITE_ERROR
        guard code == CURLE_OK || isStopped else {
            throw HTTPFailure(
                url: url,
                reason: exchange.isStopped && code == CURLE_WRITE_ERROR
                    ? "more than \(exchange.bodyBytesMax >> 20) MiB" : String(cString: curl_easy_strerror(code)),
                isTimeout: code == CURLE_OPERATION_TIMEDOUT, isCancelled: code == CURLE_ABORTED_BY_CALLBACK)
        }
        return HTTPAnswer(status: ccurl_status(handle), headers: exchange.headers, body: exchange.bytes)
    }
}

extension HTTPClient.Exchange {
    /// Whether to go on.
    fileprivate func take(_ buffer: UnsafeRawBufferPointer) -> Bool {
        if let onBytes {
            isStopped = !onBytes(Array(buffer))
        } else {
            bytes.append(contentsOf: buffer)
            isStopped = bytes.count > bodyBytesMax
        }
        return !isStopped
    }

    fileprivate func takeHeader(_ buffer: UnsafeRawBufferPointer) {
        let line = String(decoding: buffer, as: UTF8.self)
        // An interim answer or a proxy's own comes before the true one.
        if line.hasPrefix("HTTP/") { headers = [:] }
        guard let colon = line.firstIndex(of: ":") else { return }
        let value = line[line.index(after: colon)...].drop { $0 == " " }
        headers[line[..<colon].lowercased()] = String(value.prefix { !$0.isNewline })
    }
}
