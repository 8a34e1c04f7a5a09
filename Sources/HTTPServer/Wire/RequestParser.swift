// The HTTP/1.1 parser: bytes in; "need more", "head", "complete" or a refusal out. No sockets, no clock, no routes.

import Glibc

/// Parses one request at a time out of a buffer that the caller fills.
///
/// A state machine over lines: each CRLF-terminated line is checked when it is complete, so wrong requests are refused
/// at the first wrong line, and a client that drips bytes costs O(n), since the search for a line end resumes where it
/// stopped. All offsets count from the request's first byte; the caller may move the bytes between two calls.
///
/// The grammar is that of RFC 9112, the strict branch wherever it leaves a choice: requests that two implementations
/// could read differently are how smuggling works.
struct RequestParser: ~Copyable {
    enum Event: Equatable {
        /// The bytes so far are fine but incomplete.
        case needMore
        /// The header section is complete: `head` and `field(_:)` are valid. The caller sets `bodyLimit` and goes on.
        case head
        /// The body lies at `body`; the request ends at `consumed`. `reset` before the next one.
        case complete
    }

    enum Phase: Equatable {
        case requestLine, fields, fixedBody, chunkSize, chunkData, chunkEnd, trailers, complete
    }

    var phase = Phase.requestLine
    var head = RequestHead()
    /// Where the decoded body lies; final when `complete` was returned. Offsets are Int here: bodies may be large.
    var bodyStart = 0
    var bodyEnd = 0
    /// How many bytes have been taken so far.
    var consumed = 0
    /// The greatest body to take, in bytes; the route decides.
    var bodyLimit = 1 << 20
    /// Set after `head` for a request that nobody will look at: its body is checked and dropped as it comes, not kept.
    var discardsBody = false
    /// How many bytes of the body have come, framing left out.
    var bodyCount = 0

    let limits: ParserLimits
    private let fields: UnsafeMutablePointer<Field>
    /// Up to where the current line has been searched for its end.
    var scanned = 0
    var chunkLeft = 0
    var extensionBytes = 0
    private var headerStart = 0
    var trailerStart = 0
    var trailerCount = 0
    private var emptyLines = 0
    private var framing = Framing()
    private let classes = CharacterClass.table

    /// What the fields say about where the body ends and where the connection goes, collected line by line.
    private struct Framing {
        var hosts = 0
        var contentLengths = 0
        var transferEncodings = 0
        var transferEncoding = ByteRange.empty
        var close = false
        var keepAlive = false
        var authorityFromTarget = false
        /// The singleton fields that have been seen.
        var singletons: UInt16 = 0
    }

    /// Empty lines before a request that are skipped (RFC 9112 2.2 wants at least one).
    private static let emptyLinesMax = 4
    /// More digits could not be a size that any limit allows.
    static let chunkSizeDigitsMax = 8

    init(limits: ParserLimits) {
        self.limits = limits
        fields = .allocate(capacity: limits.fieldsMax)
        fields.initialize(repeating: Field(), count: limits.fieldsMax)
    }

    deinit {
        fields.deallocate()
    }

    /// Whether nothing of a request has been seen.
    var isFresh: Bool { phase == .requestLine && consumed == 0 }

    /// The field at `index`, which must be less than `head.fieldCount`.
    func field(_ index: Int) -> Field {
        precondition(index >= 0 && index < head.fieldCount)
        return fields[index]
    }

    /// The fields' memory, for a `Request`; valid until the next `reset`.
    var fieldTable: UnsafePointer<Field> { UnsafePointer(fields) }

    /// Makes the parser ready for the request that follows `consumed`.
    mutating func reset() {
        phase = .requestLine
        head = RequestHead()
        framing = Framing()
        (bodyStart, bodyEnd, consumed, scanned, headerStart) = (0, 0, 0, 0, 0)
        (chunkLeft, extensionBytes, trailerStart, trailerCount, emptyLines) = (0, 0, 0, 0, 0)
        (discardsBody, bodyCount) = (false, 0)
    }

    /// Goes on with the bytes from `start` to the end of `buffer`. Chunked bodies are decoded in place, so bytes of the
    /// request may move within the buffer, and the buffer may become shorter.
    mutating func next(_ buffer: inout ByteBuffer, from start: Int) throws(ProtocolError) -> Event {
        while true {
            let bytes = UnsafeRawBufferPointer(rebasing: buffer.bytes[start...])
            switch phase {
            case .requestLine:
                guard let line = try line(in: bytes) else { return .needMore }
                try requestLine(line, bytes)
            case .fields:
                guard let line = try line(in: bytes) else { return .needMore }
                if line.isEmpty {
                    try endOfFields(bytes)
                    return .head
                }
                try fieldLine(line, bytes)
            case .fixedBody:
                guard takeFixedBody(&buffer, start) else { return .needMore }
                phase = .complete
            case .chunkSize, .chunkEnd, .trailers:
                guard let line = try line(in: bytes) else {
                    closeGap(&buffer, start)
                    return .needMore
                }
                try chunkLine(line, bytes)
            case .chunkData:
                takeChunkData(&buffer, start)
                if chunkLeft > 0 { return .needMore }
                phase = .chunkEnd
            case .complete:
                return .complete
            }
        }
    }

    // MARK: Lines

    /// The next line without its CRLF, as offsets; nil while it is incomplete. Refuses a bare LF and lines that are too long.
    private mutating func line(in bytes: UnsafeRawBufferPointer) throws(ProtocolError) -> Range<Int>? {
        guard bytes.count > scanned, let base = bytes.baseAddress,
            let found = memchr(base + scanned, 0x0A, bytes.count - scanned)
        else {
            scanned = max(scanned, bytes.count)
            // A CR at the end is most likely the line's own.
            let terminator = bytes.last == 0x0D ? 1 : 0
            try checkLength(of: max(0, bytes.count - consumed - terminator))
            if phase == .requestLine, bytes.count > consumed, !startsLikeRequest(bytes[consumed]) {
                throw .bad("request_line", "a request starts with a method")
            }
            return nil
        }
        let lineEnd = UnsafeRawPointer(found) - base
        guard lineEnd > consumed, bytes[lineEnd - 1] == 0x0D else {
            throw .bad("bare_line_feed", "lines end with CR LF, never with LF alone")
        }
        try checkLength(of: lineEnd - 1 - consumed)
        let line = consumed..<(lineEnd - 1)
        consumed = lineEnd + 1
        scanned = consumed
        return line
    }

    private func startsLikeRequest(_ byte: UInt8) -> Bool {
        classes[Int(byte)] & CharacterClass.token.rawValue != 0 || byte == 0x0D
    }

    // Inlined, as is `split`: what does not change the parser would be given a copy of it.
    @inline(__always)
    private func checkLength(of line: Int) throws(ProtocolError) {
        switch phase {
        case .requestLine:
            if line > limits.requestLineBytesMax {
                throw ProtocolError(.uriTooLong, "request_line_too_long", "the request line is too long")
            }
        case .fields:
            if line > limits.fieldBytesMax || consumed - headerStart + line > limits.headerBytesMax {
                throw ProtocolError(.headerFieldsTooLarge, "fields_too_large", "the header fields are too large")
            }
        case .trailers:
            if line > limits.fieldBytesMax || consumed - trailerStart + line > limits.trailerBytesMax {
                throw ProtocolError(.headerFieldsTooLarge, "trailers_too_large", "the trailer fields are too large")
            }
        default:
            if line > limits.chunkExtensionBytesMax + Self.chunkSizeDigitsMax {
                throw .bad("chunk_extension", "the chunk extensions are too long")
            }
        }
    }

    // MARK: Request line

    /// `method SP request-target SP HTTP-version` (RFC 9112 3), single spaces only.
    private mutating func requestLine(_ line: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
        if line.isEmpty {
            emptyLines += 1
            guard emptyLines <= Self.emptyLinesMax else { throw .bad("request_line", "too many empty lines") }
            return
        }
        var end = line.lowerBound
        while end < line.upperBound, classes[Int(bytes[end])] & CharacterClass.token.rawValue != 0 { end += 1 }
        guard end > line.lowerBound, end < line.upperBound, bytes[end] == 0x20 else {
            throw .bad("request_line", "a request line is METHOD TARGET HTTP/1.1 with single spaces")
        }
        let methodRange = line.lowerBound..<end
        let targetStart = end + 1
        end = targetStart
        while end < line.upperBound, bytes[end] != 0x20 { end += 1 }
        guard end > targetStart, end < line.upperBound else {
            throw .bad("request_line", "a request line is METHOD TARGET HTTP/1.1 with single spaces")
        }
        try version(UnsafeRawBufferPointer(rebasing: bytes[(end + 1)..<line.upperBound]))
        guard let method = Method(UnsafeRawBufferPointer(rebasing: bytes[methodRange])) else {
            throw ProtocolError(.notImplemented, "method", "this method is not implemented")
        }
        head.method = method
        let target = try Target(
            UnsafeRawBufferPointer(rebasing: bytes[targetStart..<end]), method: method, at: targetStart)
        head.path = target.path
        head.query = target.query
        head.hasQuery = target.hasQuery
        head.isEncoded = target.isEncoded
        head.isAsterisk = target.isAsterisk
        if target.authority.count > 0 {
            head.authority = target.authority
            framing.authorityFromTarget = true
        }
        headerStart = consumed
        phase = .fields
    }

    /// `HTTP/1.` and a digit. A higher minor version is answered as 1.1 (RFC 9110 2.5), another major one refused.
    private mutating func version(_ bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
        guard bytes.count == 8, UnsafeRawBufferPointer(rebasing: bytes[..<5]).equals("HTTP/"),
            bytes[6] == UInt8(ascii: "."),
            (48...57).contains(bytes[5]), (48...57).contains(bytes[7])
        else { throw .bad("version", "the request line must end with HTTP/1.1 or HTTP/1.0") }
        guard bytes[5] == UInt8(ascii: "1") else {
            throw ProtocolError(.versionNotSupported, "version", "only HTTP/1.1 and HTTP/1.0 are served here")
        }
        head.minorVersion = bytes[7] == UInt8(ascii: "0") ? 0 : 1
    }

    // MARK: Fields

    /// Splits and checks `field-name ":" OWS field-value OWS`.
    @inline(__always)
    func split(_ line: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws(ProtocolError) -> Field {
        var colon = line.lowerBound
        while colon < line.upperBound, classes[Int(bytes[colon])] & CharacterClass.token.rawValue != 0 { colon += 1 }
        guard colon < line.upperBound, bytes[colon] == UInt8(ascii: ":"), colon > line.lowerBound else {
            // Folded lines (RFC 9112 5.2) and a space before the colon (5.1) end up here, too.
            throw .bad("field_name", "a field line is NAME: VALUE, without space before the colon and not folded")
        }
        var (start, end) = (colon + 1, line.upperBound)
        while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
        while end > start, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
        let value = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        guard value.all(are: .fieldValue, in: classes) else {
            throw .bad("field_value", "a field value has a control character")
        }
        return Field(
            name: ByteRange(line.lowerBound..<colon), value: ByteRange(start..<end))
    }

    private mutating func fieldLine(_ line: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
        guard head.fieldCount < limits.fieldsMax else {
            throw ProtocolError(.headerFieldsTooLarge, "too_many_fields", "there are too many header fields")
        }
        let field = try split(line, bytes)
        fields[head.fieldCount] = field
        head.fieldCount += 1
        let name = bytes.part(field.name)
        if let singleton = FieldRules.singleton(name) { try checkRepetition(of: singleton, bytes) }
        switch name.count {
        case 4 where name.equalsIgnoringCase("host"):
            framing.hosts += 1
            if !framing.authorityFromTarget { head.authority = field.value }
            let value = bytes.part(field.value)
            guard value.isEmpty || Authority.isValid(value) else { throw .bad("host", "the Host field is not a host") }
        case 6 where name.equalsIgnoringCase("expect"):
            guard bytes.part(field.value).equalsIgnoringCase("100-continue") else {
                throw ProtocolError(.expectationFailed, "expect", "the only expectation met here is 100-continue")
            }
            head.expectsContinue = true
        case 10 where name.equalsIgnoringCase("connection"):
            forEachListItem(bytes.part(field.value)) { item in
                if item.equalsIgnoringCase("close") { framing.close = true }
                if item.equalsIgnoringCase("keep-alive") { framing.keepAlive = true }
            }
        case 14 where name.equalsIgnoringCase("content-length"):
            framing.contentLengths += 1
            head.contentLength = try contentLength(
                bytes.part(field.value), isPadded: hasUnusualSpace(around: field, in: line, bytes))
        case 15 where name.equalsIgnoringCase("accept-encoding"):
            head.acceptsGzip = acceptsGzip(bytes.part(field.value))
        case 17 where name.equalsIgnoringCase("transfer-encoding"):
            framing.transferEncodings += 1
            framing.transferEncoding = field.value
        default: break
        }
    }

    /// The field just stored is one of which a request has at most one value: if two readers took different ones, they
    /// would see different requests.
    private mutating func checkRepetition(of singleton: UInt16, _ bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
        guard framing.singletons & singleton != 0 else {
            framing.singletons |= singleton
            return
        }
        let last = fields[head.fieldCount - 1]
        for i in 0..<head.fieldCount - 1 where FieldRules.singleton(bytes.part(fields[i].name)) == singleton {
            guard bytes.part(fields[i].value).elementsEqual(bytes.part(last.value)) else {
                throw .bad("repeated_field", "a field that may stand only once has two different values")
            }
        }
    }

    /// Whether there is more than the one customary space before the value, or any after it.
    private func hasUnusualSpace(
        around field: Field, in line: Range<Int>, _ bytes: UnsafeRawBufferPointer
    ) -> Bool {
        let start = Int(field.name.start) + Int(field.name.count) + 1
        let before = Int(field.value.start) - start
        return before > 1 || (before == 1 && bytes[start] != 0x20) || Int(field.value.start) + Int(field.value.count) < line.upperBound
    }

    /// Digits only: no sign, no list, no leading zero (some read octal), no white space but the customary one.
    private func contentLength(_ value: UnsafeRawBufferPointer, isPadded: Bool) throws(ProtocolError) -> Int {
        guard !value.isEmpty, value.all(are: .digit, in: classes), !isPadded, value.count == 1 || value[0] != 0x30 else {
            throw .bad("content_length", "Content-Length must be a number without leading zeros or further spaces")
        }
        var length = 0
        for byte in value {
            let (shifted, over) = length.multipliedReportingOverflow(by: 10)
            let (sum, more) = shifted.addingReportingOverflow(Int(byte - 48))
            guard !over, !more else {
                throw ProtocolError(.contentTooLarge, "content_length", "Content-Length is beyond any limit")
            }
            length = sum
        }
        return length
    }

    /// Decides the framing of the body (RFC 9112 6.3) and whether the connection persists (9.3).
    private mutating func endOfFields(_ bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
        guard framing.hosts <= 1 else { throw .bad("host", "there are several Host fields") }
        guard framing.hosts == 1 || head.minorVersion == 0 else { throw .bad("host", "the Host field is missing") }
        guard framing.contentLengths <= 1 else {
            throw .bad("content_length", "there are several Content-Length fields")
        }
        if framing.transferEncodings > 0 {
            guard framing.contentLengths == 0 else {
                throw .bad("transfer_encoding", "Content-Length and Transfer-Encoding exclude each other")
            }
            guard head.minorVersion > 0 else { throw .bad("transfer_encoding", "HTTP/1.0 has no Transfer-Encoding") }
            let coding = bytes.part(framing.transferEncoding)
            guard framing.transferEncodings == 1, !coding.isEmpty else {
                throw .bad("transfer_encoding", "there must be exactly one Transfer-Encoding")
            }
            guard coding.equalsIgnoringCase("chunked") else {
                throw ProtocolError(
                    .notImplemented, "transfer_encoding", "the only transfer coding taken here is chunked")
            }
            head.isChunked = true
        }
        head.keepsAlive = !framing.close && (head.minorVersion > 0 || framing.keepAlive)
        if head.minorVersion == 0 { head.expectsContinue = false }
        (bodyStart, bodyEnd) = (consumed, consumed)
        phase = head.isChunked ? .chunkSize : .fixedBody
    }
}

extension ProtocolError {
    static let bodyTooLarge = ProtocolError(
        .contentTooLarge, "body_too_large", "the body is larger than this route takes")
}

/// The limits that the parser itself enforces; who configures them says why (`ServerOptions`).
struct ParserLimits: Sendable {
    var requestLineBytesMax: Int
    var headerBytesMax: Int
    var fieldBytesMax: Int
    var fieldsMax: Int
    var chunkExtensionBytesMax: Int
    var trailerBytesMax: Int
    var trailersMax: Int
}
