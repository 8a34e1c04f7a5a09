// A blocking HTTP client over libcurl, for programs that talk to aware, Prometheus or Kubernetes one request at a time.

import CCurl

/// One keep-alive connection to a server. Not thread-safe: one client a thread.
public final class RESTClient {
    public struct Answer {
        public var status: Int
        public var body: [UInt8]

        public var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// The server could not be reached or did not answer in time.
    public struct Failure: Error, CustomStringConvertible {
        public let url: String
        public let reason: String

        public var description: String { "\(url): \(reason)" }
    }

    private let handle: UnsafeMutableRawPointer
    private let base: String
    private let headers: UnsafeMutablePointer<curl_slist>?
    private let body: Body

    /// Collects what libcurl hands over.
    private final class Body {
        var bytes: [UInt8] = []
    }

    /// - Parameters:
    ///   - base: scheme, host and port, for example `http://127.0.0.1:8080`.
    ///   - timeoutSeconds: for one whole request.
    public init(base: String, timeoutSeconds: Int = 30) {
        guard let handle = curl_easy_init() else { fatalError("libcurl gives no handle: out of memory") }
        self.handle = handle
        self.base = base.hasSuffix("/") ? String(base.dropLast()) : base
        headers = curl_slist_append(
            curl_slist_append(nil, "Content-Type: application/json"), "Expect:")
        body = Body()
        _ = ccurl_set_list(handle, CURLOPT_HTTPHEADER, headers)
        _ = ccurl_set_long(handle, CURLOPT_TIMEOUT, timeoutSeconds)
        _ = ccurl_set_long(handle, CURLOPT_NOSIGNAL, 1)
        _ = ccurl_set_pointer(handle, CURLOPT_WRITEDATA, Unmanaged.passUnretained(body).toOpaque())
        _ = ccurl_set_write(handle) { bytes, size, count, target in
            guard let bytes, let target else { return 0 }
            let body = Unmanaged<Body>.fromOpaque(target).takeUnretainedValue()
            body.bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headers)
    }

    /// Sends one request and waits for its answer, whatever its status.
    public func send(_ method: String, _ path: String, body text: String? = nil) throws(Failure) -> Answer {
        let url = base + path
        body.bytes.removeAll(keepingCapacity: true)
        _ = ccurl_set_string(handle, CURLOPT_URL, url)
        _ = ccurl_set_string(handle, CURLOPT_CUSTOMREQUEST, method)
        if let text {
            _ = ccurl_set_long(handle, CURLOPT_POSTFIELDSIZE, text.utf8.count)
            _ = ccurl_set_string(handle, CURLOPT_COPYPOSTFIELDS, text)
        } else {
            _ = ccurl_set_long(handle, CURLOPT_HTTPGET, 1)
            _ = ccurl_set_string(handle, CURLOPT_CUSTOMREQUEST, method)
        }
        let code = curl_easy_perform(handle)
        guard code == CURLE_OK else { throw Failure(url: url, reason: String(cString: curl_easy_strerror(code))) }
        return Answer(status: ccurl_status(handle), body: body.bytes)
    }
}
