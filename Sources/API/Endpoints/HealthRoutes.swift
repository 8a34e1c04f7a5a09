// /livez and /readyz: whether the process works, and whether it should be sent work. `?verbose` goes component by component.

import Agents
import HTTPServer
import Operations

enum HealthRoutes {
    /// One part of the server: what it says of itself, and whether that is bad.
    private struct Component {
        var name: String
        var state = "ok"
        /// It keeps the server from doing its work.
        var hasFailed = false
        /// It cannot do its own work, but decisions do not need it.
        var isImpaired = false
    }

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/livez") { request, response in
            guard request.query("verbose") == nil else {
                // Through the queue that nearly all routes need: if it hangs, this answer does not come either.
                return api.later(request) { ResponseBytes(contentType: .plainText, body: text(living(api))) }
            }
            response.contentType = .plainText
            response.body("ok\n")
            return .respond
        }
        router.add(.get, "/readyz") { request, response in
            let isVerbose = request.query("verbose") != nil
            guard api.isReady else {
                response.addHeader("Retry-After", "1")
                response.problem(
                    .serviceUnavailable, detail: "The server is starting or stopping.",
                    errors: [ProblemItem(pointer: "/server", code: "failed", detail: "It is starting or stopping.")])
                return .respond
            }
            return api.readiness.answer(request, &response, isVerbose: isVerbose, server: api.server) { ready(api) }
        }
    }

    private static func living(_ api: APIContext) -> [Component] {
        let statistics = api.server.statistics
        return [
            Component(name: "loops", state: "ok: \(statistics.connectionsOpen) connections"),
            Component(name: "background", state: "ok"), trainer(api),
        ]
    }

    /// Training may fail for one application while every decision is still answered.
    private static func trainer(_ api: APIContext) -> Component {
        if let failure = api.trainer.lastFailure { return Component(name: "trainer", state: failure, isImpaired: true) }
        return Component(name: "trainer", state: "ok: \(api.trainer.backlog) applications wait for training")
    }

    /// The database is really written to.
    private static func ready(_ api: APIContext) -> ReadinessProbe.Result {
        var database = Component(name: "database")
        do {
            try api.store.probe()
        } catch {
            database.state = "it cannot be written: \(error)"
            database.hasFailed = true
        }
        var recorder = Component(name: "recorder")
        if api.recorder.isOverloaded {
            recorder.state = "\(Recorder.waitingMax) or more decisions wait for the disk"
            recorder.hasFailed = true
        }
        let components = [Component(name: "server"), database, recorder, trainer(api)]
        let failed = components.filter(\.hasFailed)
        guard failed.isEmpty else {
            let refusal = ResponseBytes.problem(
                .serviceUnavailable, detail: failed.map { "\($0.name): \($0.state)" }.joined(separator: "; "),
                errors: failed.map { ProblemItem(pointer: "/\($0.name)", code: "failed", detail: $0.state) },
                headers: [("Retry-After", "1")])
            return .init(short: refusal, verbose: refusal)
        }
        return .init(
            short: ResponseBytes(contentType: .plainText, body: Array("ok\n".utf8)),
            verbose: ResponseBytes(contentType: .plainText, body: text(components)))
    }

    /// A line for each component: `[+] name state`, as Kubernetes' own health endpoints write it.
    private static func text(_ components: [Component]) -> [UInt8] {
        let lines = components.map { "[\($0.hasFailed || $0.isImpaired ? "-" : "+")] \($0.name) \($0.state)\n" }
        return Array(lines.joined().utf8)
    }
}
