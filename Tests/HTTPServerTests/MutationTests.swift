// Broken requests by the thousand, from a fixed seed: nothing traps, and how the bytes arrive never matters.

import Testing

@testable import HTTPServer

@Suite struct MutationTests {
    /// A small generator (SplitMix64): the same bytes in every run.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private static let seeds = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /users/x%20y?a=b%2B HTTP/1.1\r\nHost: [::1]:80\r\nAccept-Encoding: gzip;q=0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nHEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET http://u:p@h:1/?q HTTP/1.1\r\nHost: a\r\n\r\n",
    ].map { Array($0.utf8) }

    private static let fragments = [
        "\r\n", "\r", "\n", "\0", " ", "\t", ":", ";", ",", "%", "%zz", "0", "-1", "FFFFFFFF", "999999999999999999999",
        "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n", " HTTP/1.1\r\n", "\u{80}", "[", "::",
    ].map { Array($0.utf8) }

    private func mutated(_ generator: inout Generator) -> [UInt8] {
        var bytes = Self.seeds.randomElement(using: &generator) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let i = Int.random(in: 0..<max(1, bytes.count), using: &generator)
            let j = min(bytes.count, i + Int.random(in: 0...12, using: &generator))
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: bytes[i] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes.removeSubrange(i..<j)
            case 2: bytes.insert(contentsOf: Self.fragments.randomElement(using: &generator) ?? [], at: i)
            case 3: bytes.insert(contentsOf: bytes[i..<j], at: i)
            default: bytes[i] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            }
            if bytes.isEmpty { bytes = [0] }
        }
        return bytes
    }

    @Test func answersMutatedRequestsAlikeHoweverTheyArrive() {
        var generator = Generator(state: 7)
        for round in 0..<4000 {
            let bytes = mutated(&generator)
            let (whole, single, split) = (Exchange(.sample()), Exchange(.sample()), Exchange(.sample()))
            whole.send(bytes)
            for byte in bytes { single.send([byte]) }
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            split.send(bytes[..<cut])
            split.send(bytes[cut...])
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(whole.statuses == single.statuses && whole.statuses == split.statuses, "round \(round): \(text)")
            #expect(whole.conversation.stage == single.conversation.stage, "round \(round): \(text)")
        }
    }
}
