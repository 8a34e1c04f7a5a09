// Comparing a token takes the same time wherever it differs. Over the wire: deploy/attacks/timing.

import Crypto
import Foundation
import Testing

@testable import API

@Suite(.serialized) struct TokenTimingTests {
    /// The median over many short rounds, each kind in turn, of this thread's CPU time in nanoseconds a call.
    private static func nanoseconds(_ kinds: [() -> Bool]) -> [Double] {
        var rounds = kinds.map { _ in [Double]() }
        var held = 0
        for _ in 0..<301 {
            for (index, kind) in kinds.enumerated() {
                var (before, after) = (timespec(), timespec())
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before)
                for _ in 0..<500 where kind() { held += 1 }
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after)
                rounds[index].append((Double(after.tv_sec - before.tv_sec) * 1e9 + Double(after.tv_nsec - before.tv_nsec)) / 500)
            }
        }
        #expect(held > 0)
        return rounds.map { $0.sorted()[150] }
    }

    /// What must not be used: it ends with the first byte that differs.
    @inline(never) private static func isEqualAtOnce(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        for index in a.indices where a[index] != b[index] { return false }
        return true
    }

    @Test func aDigestIsComparedInTheSameTimeWhereverItDiffers() {
        let digest = SHA256.hash(data: Array("the token".utf8))
        func token(differingAt index: Int?) -> AccessToken {
            var token = AccessToken(name: "a", scope: .read, text: "the token", created: 0)
            if let index { token.digest[index] ^= 1 }
            return token
        }
        let tokens = [token(differingAt: nil), token(differingAt: 0), token(differingAt: 31)]
        #expect(tokens.map { $0.matches(digest) } == [true, false, false])
        let times = Self.nanoseconds(tokens.map { token in { token.matches(digest) } })
        #expect(times.max() ?? 0 < 1.25 * (times.min() ?? 0) + 2, "\(times) ns")
        // The same measurement sees a comparison that ends early.
        let bytes = tokens.map(\.digest)
        let early = Self.nanoseconds([bytes[0], bytes[1], bytes[2]].map { other in { Self.isEqualAtOnce(bytes[0], other) } })
        #expect(early[2] > 1.5 * early[1], "\(early) ns")
    }
}
