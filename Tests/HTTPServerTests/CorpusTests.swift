// The wire cases of other servers' test suites, each sent whole, byte by byte, and split at every offset.

import Foundation
import Testing

@testable import HTTPServer

/// `../shared/corpora/http.jsonl` beside the checkout, or under AWARE_SHARED. Not part of the repository.
private let corpus = ((ProcessInfo.processInfo.environment["AWARE_SHARED"] ?? "../shared") + "/corpora/http.jsonl")

private struct Case: Decodable, Sendable {
    let name: String
    let source: String
    let raw_base64: Data
    let expect: String
    let strict: String
    let n: Int?
    let hang_ok: Bool?
    let must_wait: Bool?
}

private enum PairedComparison: String { case waiting, refused, served, servedThenRefused }

@Suite struct CorpusTests {
    private static let refusals: Set<Int> = [400, 408, 411, 413, 414, 417, 421, 431, 501, 505]

    private static func cases() throws -> [Case] {
        let decoder = JSONDecoder()
        return try String(contentsOfFile: corpus, encoding: .utf8).split(separator: "\n").map {
            try decoder.decode(Case.self, from: Data($0.utf8))
        }
    }

    private static func verdict(_ pieces: [ArraySlice<UInt8>]) -> PairedComparison {
        let exchange = Exchange(.sample())
        for piece in pieces { exchange.send(piece) }
        let statuses = exchange.statuses
        guard let first = statuses.first else {
            return exchange.conversation.stage == .ended ? .refused : .waiting
        }
        if refusals.contains(first) { return .refused }
        return statuses.contains(where: refusals.contains) ? .servedThenRefused : .served
    }

    private static func agrees(_ wanted: String, _ verdict: PairedComparison, _ item: Case) -> Bool {
        if item.must_wait == true { return verdict == .waiting }
        switch wanted {
        case "either": return true
        case "accept": return verdict == .served || verdict == .servedThenRefused
        default:
            return verdict == .refused || (verdict == .waiting && item.hang_ok == true)
                || (verdict == .servedThenRefused && (item.n ?? 0) >= 1)
        }
    }

    /// The grammar allows `Content-Length: 003` and this corpus takes it, but readers differ (some read octal): it is
    /// refused here, which `ParserTests` holds.
    private static func hasLeadingZero(_ item: Case) -> Bool {
        String(decoding: item.raw_base64, as: UTF8.self).contains("Content-Length: 00")
    }

    private static func check(_ item: Case, _ pieces: [ArraySlice<UInt8>], _ how: String) {
        let verdict = verdict(pieces)
        #expect(agrees(item.strict, verdict, item), "\(how): \(item.name) got \(verdict), wanted \(item.strict)")
        #expect(agrees(item.expect, verdict, item), "\(how): \(item.name) got \(verdict), RFC wants \(item.expect)")
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: corpus), "no corpora beside the checkout"))
    func givesEveryExpectedVerdictHoweverTheBytesArrive() throws {
        let cases = try Self.cases()
        #expect(cases.count >= 500)
        for item in cases where !Self.hasLeadingZero(item) {
            let bytes = Array(item.raw_base64)
            Self.check(item, [bytes[...]], "whole")
            Self.check(item, bytes.prefix(8192).chunked(1) + [bytes.dropFirst(8192)], "byte by byte")
            for offset in 1..<max(2, min(bytes.count, 512)) {
                Self.check(item, [bytes.prefix(offset), bytes.dropFirst(offset)], "split at \(offset)")
            }
        }
    }
}

extension ArraySlice<UInt8> {
    func chunked(_ size: Int) -> [ArraySlice<UInt8>] {
        stride(from: startIndex, to: endIndex, by: size).map { self[$0..<Swift.min($0 + size, endIndex)] }
    }
}
