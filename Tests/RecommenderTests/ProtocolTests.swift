// The rules of the API server's protocol: leases, watches, errors, configuration.

import Foundation
import Testing

@testable import Recommender

@Suite struct ProtocolTests {
    @Test func oneLeadsAndTheNextTakesOverOnlyAfterTheLease() {
        var (first, second) = (Election(identity: "a"), Election(identity: "b"))
        var record = first.propose(nil, now: 0, time: 1e9)!
        record.version = "1"
        first.wrote(record, begun: 0, now: 0)
        #expect(first.isLeader(now: 5) && !first.isLeader(now: Election.renewDeadlineSeconds))
        // The clock of another machine does not matter: what counts is how long the record has not changed.
        #expect(second.propose(record, now: 100, time: 5) == nil)
        #expect(second.propose(record, now: 100 + Election.durationSeconds - 0.1, time: 5) == nil)
        let taken = second.propose(record, now: 100 + Election.durationSeconds, time: 5)
        #expect(taken?.holder == "b" && taken?.transitions == 1)
        #expect(Election.renewDeadlineSeconds < Election.durationSeconds, "who leads stops before another begins")
        #expect(Election.durationSeconds + 1.2 * Election.retrySeconds < 20)
    }

    @Test func aReleasedLeaseIsTakenAtOnce() {
        var (first, second) = (Election(identity: "a"), Election(identity: "b"))
        first.wrote(first.propose(nil, now: 0, time: 0)!, begun: 0, now: 0)
        let released = first.release()!
        #expect(!first.isLeader(now: 0) && second.propose(released, now: 1, time: 1)?.holder == "b")
    }

    @Test func errorsAskForWhatTheTableSays() {
        let remedies: [(Int, KubernetesError.Remedy)] = [
            (400, .bug), (401, .newCredential), (403, .slowRetry), (404, .rediscover), (409, .readAgain), (410, .listAgain),
            (415, .otherPatch), (422, .waitForChange), (429, .retry(after: nil)), (503, .retry(after: nil)), (0, .retry(after: nil)),
        ]
        for (status, remedy) in remedies { #expect(KubernetesError(status: status).remedy == remedy, "\(status)") }
    }

    @Test func aWatchThatLostItsPlaceListsAgain() {
        var state = ReflectorState()
        #expect(state.step == .list)
        state.listed("5")
        state.saw("9")
        #expect(state.step == .watch(from: "9"))
        #expect(state.ended(afterSeconds: 400, events: 0, now: 0, jitter: 0) == 0, "a time limit is normal")
        _ = state.failed(KubernetesError(status: 0, reason: "Unreachable"), now: 0, jitter: 0)
        #expect(state.step == .watch(from: "9"), "a broken stream goes on from its place")
        _ = state.failed(KubernetesError(status: 410, reason: "Expired"), now: 0, jitter: 0)
        #expect(state.step == .list)
    }

    @Test func linesComeInAnyPieces() {
        var splitter = LineSplitter()
        var lines: [String] = []
        for piece in ["{\"a\"", ":1}\n{\"b\":2}\n{", "\"c\":3}", "\n\n"] {
            _ = splitter.split(Array(piece.utf8)) { line in
                lines.append(String(decoding: line, as: UTF8.self))
                return true
            }
        }
        #expect(lines == ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"])
    }

    @Test func kubeconfigsAreMergedTheFirstWins() throws {
        var config = Kubeconfig()
        try config.merge(
            "current-context: one\ncontexts:\n- {name: one, context: {cluster: c, user: u, namespace: shop}}\nclusters:\n- {name: c, cluster: {server: 'https://a:6443', certificate-authority: ca.pem}}\n",
            file: "/etc/k/config")
        try config.merge("current-context: two\nusers:\n- {name: u, user: {token: secret}}\nclusters:\n- {name: c, cluster: {server: 'https://b'}}\n", file: "b")
        let access = try config.access(context: nil)
        #expect(access.options.base == "https://a:6443" && access.namespace == "shop")
        #expect(access.options.tls.caFile == "/etc/k/ca.pem", "relative paths are relative to their file")
        #expect(try access.credentials.identity().authorization == "Bearer secret")
        #expect(throws: ClusterAccess.Unusable.self) { try config.access(context: "three") }
    }

    @Test func tokensAreReadAgain() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "aware-token-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        nonisolated(unsafe) var now = 0.0
        let credentials = Credentials(.tokenFile(file)) { now }
        try "one\n".write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try credentials.identity().authorization == "Bearer one")
        try "two\n".write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try credentials.identity().authorization == "Bearer one")
        now = 61
        #expect(try credentials.identity().authorization == "Bearer two")
    }

    @Test func onePassAsksAtMostEightQueries() {
        #expect(ClusterQueries().all.count <= 8)
    }
}
