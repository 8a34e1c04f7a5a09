// The chunked part of the parser: sizes, data that is moved together in place, and trailers.

extension RequestParser {
    mutating func chunkLine(_ line: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
        switch phase {
        case .chunkEnd:
            guard line.isEmpty else { throw .bad("chunk", "a chunk is longer than its size says") }
            phase = .chunkSize
        case .trailers:
            if line.isEmpty {
                phase = .complete
                return
            }
            trailerCount += 1
            guard trailerCount <= limits.trailersMax else {
                throw ProtocolError(.headerFieldsTooLarge, "too_many_trailers", "there are too many trailer fields")
            }
            // Trailers are checked and dropped: nothing here may be changed by what comes after the body.
            let field = try split(line, bytes)
            guard !FieldRules.isForbiddenTrailer(bytes.part(field.name)) else {
                throw .bad("trailer", "a trailer must not carry framing, routing or authentication")
            }
        default:
            try chunkSize(UnsafeRawBufferPointer(rebasing: bytes[line]))
        }
    }

    /// `chunk-size [chunk-ext]`, the size of at most eight hexadecimal digits.
    mutating func chunkSize(_ line: UnsafeRawBufferPointer) throws(ProtocolError) {
        var digits = 0
        var size = 0
        while digits < line.count, let digit = hexValue(line[digits]) {
            digits += 1
            guard digits <= Self.chunkSizeDigitsMax else {
                throw .bad("chunk_size", "a chunk size has too many digits")
            }
            size = size << 4 | Int(digit)
        }
        guard digits > 0 else { throw .bad("chunk_size", "a chunk starts with its size in hexadecimal digits") }
        extensionBytes += line.count - digits
        guard extensionBytes <= limits.chunkExtensionBytesMax else {
            throw .bad("chunk_extension", "the chunk extensions are too long")
        }
        guard ChunkExtensions.areValid(UnsafeRawBufferPointer(rebasing: line[digits...])) else {
            throw .bad("chunk_extension", "a chunk size may be followed by ;NAME or ;NAME=VALUE only")
        }
        guard size <= bodyLimit - bodyCount else { throw .bodyTooLarge }
        chunkLeft = size
        phase = size == 0 ? .trailers : .chunkData
        trailerStart = consumed
    }

    /// Takes what has arrived of a body of known length; true when it is complete.
    mutating func takeFixedBody(_ buffer: inout ByteBuffer, _ start: Int) -> Bool {
        let length = head.contentLength ?? 0
        guard discardsBody else {
            bodyCount = min(length, buffer.count - start - bodyStart)
            guard bodyCount == length else { return false }
            bodyEnd = bodyStart + length
            consumed = bodyEnd
            return true
        }
        let taken = min(length - bodyCount, buffer.count - start - consumed)
        bodyCount += taken
        consumed += taken
        closeGap(&buffer, start)
        return bodyCount == length
    }

    /// Moves chunk data that has arrived to the end of the decoded body.
    mutating func takeChunkData(_ buffer: inout ByteBuffer, _ start: Int) {
        let taken = min(chunkLeft, buffer.count - start - consumed)
        guard taken > 0 else { return closeGap(&buffer, start) }
        if !discardsBody {
            (buffer.base + start + bodyEnd).update(from: buffer.base + start + consumed, count: taken)
            bodyEnd += taken
        }
        bodyCount += taken
        consumed += taken
        chunkLeft -= taken
        scanned = consumed
        if chunkLeft > 0 { closeGap(&buffer, start) }
    }

    /// Moves what follows `consumed` down to the decoded body's end, so that framing bytes never fill the buffer.
    mutating func closeGap(_ buffer: inout ByteBuffer, _ start: Int) {
        let gap = consumed - bodyEnd
        guard gap > 0 else { return }
        let rest = buffer.count - start - consumed
        (buffer.base + start + bodyEnd).update(from: buffer.base + start + consumed, count: rest)
        buffer.count -= gap
        consumed -= gap
        scanned = max(consumed, scanned - gap)
        trailerStart -= gap
    }
}
