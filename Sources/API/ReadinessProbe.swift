// The answer of /readyz, found out at most a few times a second however often it is asked for.

import Dispatch
import HTTPServer
import Synchronization

/// Remembers a probe for a moment. Whoever asks in the meantime gets the same answer; whoever asks while one is being
/// made waits for that one.
final class ReadinessProbe: Sendable {
    /// The answer in short and with its parts.
    struct Result: Sendable {
        var short: ResponseBytes
        var verbose: ResponseBytes
    }

    private struct State {
        var result: Result?
        /// Nanoseconds of the monotonic clock.
        var made: UInt64 = 0
        var isRunning = false
        var waiting: [(deferral: Deferral, isVerbose: Bool)] = []
    }

    private static let freshNanoseconds: UInt64 = 250_000_000
    /// Of its own: a probe must not wait for what it asks about.
    private let queue = DispatchQueue(label: "aware.api.readiness", qos: .userInitiated)
    private let state = Mutex(State())

    func answer(
        _ request: borrowing Request, _ response: inout Response, isVerbose: Bool, server: Server,
        _ probe: @escaping @Sendable () -> Result
    ) -> HandlerResult {
        let deferral = request.deferral()
        let (result, starts) = state.withLock { state -> (Result?, Bool) in
            if let result = state.result, DispatchTime.now().uptimeNanoseconds &- state.made < Self.freshNanoseconds {
                return (result, false)
            }
            state.waiting.append((deferral, isVerbose))
            defer { state.isRunning = true }
            return (nil, !state.isRunning)
        }
        if let result {
            APIError(isVerbose ? result.verbose : result.short).write(to: response)
            return .respond
        }
        if starts { queue.async { [self] in run(probe, server) } }
        return .deferred
    }

    private func run(_ probe: () -> Result, _ server: Server) {
        let result = probe()
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            // Bad news is not kept: whoever repairs something wants to see it at once.
            state.result = result.short.status == .ok ? result : nil
            state.made = DispatchTime.now().uptimeNanoseconds
            state.isRunning = false
            return state.waiting
        }
        server.complete(waiting.map { ($0.deferral, $0.isVerbose ? result.verbose : result.short) })
    }
}
