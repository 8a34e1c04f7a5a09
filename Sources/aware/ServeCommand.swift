// `aware serve`: the policy server, until SIGTERM or SIGINT.

import ArgumentParser
import Dispatch
import Foundation
import Service

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve decisions over HTTP until SIGTERM or SIGINT.")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let signals = TerminationSignals()
        let service = try Service.start(try common.serviceOptions())
        for address in service.urls { print("aware serves \(address)") }
        print("data file: \(service.dataFile)")
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
