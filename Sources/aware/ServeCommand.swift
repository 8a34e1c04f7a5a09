// `aware serve`: the policy server, until SIGTERM or SIGINT.

import ArgumentParser
import Dispatch
import Foundation
import Service

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve decisions over HTTP until SIGTERM or SIGINT.",
        discussion: """
            Taking the wheel, with APP for /v1/applications/NAME; each wants a "reason", survives a restart and stands in \
            GET /v1/audit:

              pin         PUT APP/pin {"replicas": 8, "seconds": 3600}; DELETE APP/pin ends it
              pause       PUT APP/mode {"mode": "pause"}, "freezeDown", "freezeUp" or "running"
              roll back   POST APP/models/VERSION/promote; GET APP/models lists the versions
              rules only  PUT APP/stage {"stage": "offline", "hold": true}
              kill switch PUT /v1/killswitch: the rules act everywhere; DELETE /v1/killswitch ends it

            When metrics die (missing, stale, zero, frozen, not a number) what is there is kept and nothing is taken away: \
            the answer says "source": "hold", "reason": "BadData" and what is wrong in explanation.warnings. When the \
            server dies, recommenders keep its last answer; started again on the same --data it goes on where it was.
            """)

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let signals = TerminationSignals()
        let service = try Service.start(try common.serviceOptions())
        for address in service.urls { print("aware serves \(address)") }
        print("data file: \(service.dataFile) (\(service.storage))")
        if let notice = service.startNotice { FileHandle.standardError.write(Data("aware: \(notice)\n".utf8)) }
        if service.followsObservedTime {
            print("clock:     observed: time is what the observations say; one without a time is one step later")
        }
        let (served, reserved) = service.connections
        print("connections: \(served) at once, and \(reserved) more for health and control (ulimit -n)")
        if let base = service.urls.first(where: { $0.hasPrefix("http") }) {
            print(
                """
                try:       curl -s \(base)v1/applications/shop-web/decisions -H 'Content-Type: application/json' \\
                             -d '{"replicas": 3, "cpuUtilization": 0.92, "latencySeconds": 0.61, "requestRate": 120}'
                """)
        }
        fflush(nil)
        await signals.wait()
        FileHandle.standardError.write(Data("aware: stopping (a second signal stops at once)\n".utf8))
        try await service.stop()
    }
}

/// Turns SIGTERM and SIGINT into something that can be awaited; the second one ends the process.
final class TerminationSignals: Sendable {
    private let stream: AsyncStream<Int32>
    private let keepAlive: @Sendable () -> Void

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
        self.stream = stream
        let queue = DispatchQueue(label: "aware.signals")
        let sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            nonisolated(unsafe) var isSecond = false
            source.setEventHandler { @Sendable in
                if isSecond { _exit(130) }
                isSecond = true
                continuation.yield(number)
            }
            source.resume()
            return source
        }
        nonisolated(unsafe) let held = sources
        keepAlive = { _ = held }
    }

    func wait() async {
        for await _ in stream { break }
        _ = keepAlive
    }
}
