// `aware serve`: the policy server, until SIGTERM or SIGINT.

import ArgumentParser
import Dispatch
import Foundation
import Logging
import Service
import ServiceLifecycle

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
        // Before anybody can know that there is something to end, and before anything is touched.
        let signals = await TerminationSignals()
        let settings = try common.settings()
        let options = try common.serviceOptions()
        let environment = ProcessInfo.processInfo.environment
        options.log.info(
            "configuration",
            metadata: Dictionary(uniqueKeysWithValues: settings.inForce().map { ($0.name, "\($0.value)") }))
        for variable in Settings.unknown(in: environment) {
            options.log.warning("no setting has this name", metadata: ["variable": "\(variable)"])
        }
        let server = try PolicyServer.start(options)
        announce(server)
        var configuration = ServiceGroupConfiguration(services: [.init(service: server)], logger: options.log)
        configuration.maximumGracefulShutdownDuration = .seconds(90)
        let group = ServiceGroup(configuration: configuration)
        let stopping = Task {
            await signals.wait()
            // Again and again, because a group that does not run yet does not hear it.
            while !Task.isCancelled {
                await group.triggerGracefulShutdown()
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
        defer { stopping.cancel() }
        try await group.run()
    }

    /// Below it there is hardly one left for a client.
    private static let descriptorsMin = 64

    /// How many files and connections this process may have open.
    private static var descriptors: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return Int(clamping: limit.rlim_cur)
    }

    /// What a person wants to know first: where the page is, where the data is, and what to type.
    private func announce(_ server: PolicyServer) {
        for address in server.urls { print("aware serves \(address)") }
        print("data file: \(server.dataFile) (\(server.storage))")
        if server.followsObservedTime {
            print("clock:     observed: time is what the observations say; one without a time is one step later")
        }
        let (served, reserved) = server.connections
        let descriptors = Self.descriptors
        print("connections: \(served) at once, and \(reserved) more for health and control (ulimit -n \(descriptors))")
        if descriptors < Self.descriptorsMin {
            print("             ulimit -n \(descriptors) is too little: the data file alone takes twenty; give \(Self.descriptorsMin) or more")
        }
        if let base = server.urls.first(where: { $0.hasPrefix("http") }) {
            print(
                """
                try:       curl -s \(base)v1/applications/shop-web/decisions -H 'Content-Type: application/json' \\
                             -d '{"replicas": 3, "cpuUtilization": 0.92, "latencySeconds": 0.61, "requestRate": 120}'
                """)
        }
        fflush(nil)
    }
}

/// Turns SIGTERM and SIGINT into something that can be awaited; the second one ends the process.
final class TerminationSignals: Sendable {
    private let stream: AsyncStream<Int32>
    private let keepAlive: @Sendable () -> Void

    /// Returns when signals are heard. Until then they end the process, as they do by default. Ignoring them first would lose
    /// one that comes before Dispatch listens, which it begins to do on a thread of its own, some time after `resume`.
    init() async {
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
        self.stream = stream
        let queue = DispatchQueue(label: "aware.signals")
        // One for both: Ctrl-C after a SIGTERM is a second signal too. Only the queue touches it.
        nonisolated(unsafe) var isSecond = false
        var sources: [any DispatchSourceSignal] = []
        for number in [SIGTERM, SIGINT] {
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { @Sendable in
                if isSecond { _exit(130) }
                isSecond = true
                continuation.yield(number)
            }
            sources.append(source)
            await withCheckedContinuation { registered in
                source.setRegistrationHandler { @Sendable in registered.resume() }
                source.resume()
            }
        }
        nonisolated(unsafe) let held = sources
        keepAlive = { _ = held }
    }

    func wait() async {
        for await _ in stream { break }
        _ = keepAlive
    }
}
