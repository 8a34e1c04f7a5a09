// Turns a response draft into the bytes of an answer: status line, fields, framing, compression, conditions.

/// What of the request decides how its answer looks.
struct AnswerStyle {
    var isHead = false
    var acceptsGzip = false
    var closes = false
    var minorVersion: UInt8 = 1
}

extension LoopContext {
    /// Appends the answer in `draft` to `out`, with a body whose length is stated.
    func writeAnswer(_ style: AnswerStyle, into out: inout ByteBuffer) {
        statistics.answered(draft.status)
        if let fixed = draft.fixed {
            let gzipped = style.acceptsGzip ? fixed.gzip : nil
            writeHead(style, fields: gzipped == nil ? fixed.plainFields : fixed.gzipFields, into: &out)
            finish(style, (gzipped ?? fixed.body).withUnsafeBytes { $0 }.count, into: &out)
            if !style.isHead, !draft.status.isBodiless { out.append(gzipped ?? fixed.body) }
            return
        }
        writeHead(style, fields: [], into: &out)
        if let type = draft.contentType {
            out.append("Content-Type: ")
            out.append(type.name)
            out.append("\r\n")
        }
        if compressesDraft {
            out.append("Vary: Accept-Encoding\r\n")
            gzipped.removeAll()
            if style.acceptsGzip, gzip.compress(draft.body.bytes, into: &gzipped) {
                out.append("Content-Encoding: gzip\r\n")
                finish(style, gzipped.count, into: &out)
                if !style.isHead { out.append(gzipped.bytes) }
                return
            }
        }
        finish(style, draft.body.count + draft.bodyBehind, into: &out)
        if !style.isHead, !draft.status.isBodiless { out.append(draft.body.bytes) }
    }

    /// Appends the head of an answer whose body follows piece by piece; the connection closes after it.
    func writeStreamHead(_ style: AnswerStyle, into out: inout ByteBuffer) {
        statistics.answered(draft.status)
        var style = style
        style.closes = true
        writeHead(style, fields: [], into: &out)
        if let type = draft.contentType {
            out.append("Content-Type: ")
            out.append(type.name)
            out.append("\r\n")
        }
        if style.minorVersion > 0 { out.append("Transfer-Encoding: chunked\r\n") }
        out.append("\r\n")
    }

    /// Whether the answer is of a kind that is compressed for whoever accepts it.
    private var compressesDraft: Bool {
        guard let least = options.gzipBytesMin, draft.body.count >= least, draft.compresses else { return false }
        return !draft.status.isBodiless && draft.contentType?.isCompressible ?? false
    }

    private func writeHead(_ style: AnswerStyle, fields: [UInt8], into out: inout ByteBuffer) {
        if draft.status == .ok {
            out.append("HTTP/1.1 200 OK\r\n")
        } else {
            out.append("HTTP/1.1 ")
            out.append(decimal: Int(draft.status.rawValue))
            out.append(UInt8(ascii: " "))
            out.append(draft.status.reason)
            out.append("\r\n")
        }
        out.append(dateField)
        out.append(extraFields)
        if style.closes {
            out.append("Connection: close\r\n")
        } else if style.minorVersion == 0 {
            out.append("Connection: keep-alive\r\n")
        }
        out.append(fields)
        if draft.fixed == nil { out.append(cacheControlField) }
        out.append(draft.fields.bytes)
    }

    private func finish(_ style: AnswerStyle, _ length: Int, into out: inout ByteBuffer) {
        if !draft.status.isBodiless {
            out.append("Content-Length: ")
            out.append(decimal: length)
            out.append("\r\n")
        }
        out.append("\r\n")
    }
}

extension LoopContext {
    /// Turns the answer with a fixed body into 304 if the client has it already (RFC 9110 13.2.2).
    func applyConditions(_ request: borrowing Request) {
        guard let fixed = draft.fixed, request.method == .get || request.method == .head else { return }
        if request.headerBytes("if-none-match") != nil {
            if request.ifNoneMatch(fixed.etag) || request.ifNoneMatch(fixed.gzipETag) { draft.status = .notModified }
        } else if let since = request.header("if-modified-since"), let modified = fixed.lastModified {
            // Clients send back what they were given; any other date gets the whole body, which is always right.
            if since == HTTPDate.text(modified) { draft.status = .notModified }
        }
    }
}
