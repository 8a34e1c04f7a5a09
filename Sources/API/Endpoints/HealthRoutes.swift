// /livez and /readyz: whether the process works, and whether it should be sent work.

import Agents
import HTTPServer
import Store

enum HealthRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/livez") { _, response in
            response.contentType = .plainText
            response.body("ok\n")
            return .respond
        }
        router.add(.get, "/readyz") { request, response in
            let isVerbose = request.query("verbose") != nil
            guard api.isReady else {
                response.addHeader("Retry-After", "1")
                response.problem(.serviceUnavailable, detail: "The server is starting or stopping.")
                return .respond
            }
            return api.later(request) { ready(api, isVerbose: isVerbose) }
        }
    }

    /// Component by component; the database is really written to.
    private static func ready(_ api: APIContext, isVerbose: Bool) -> ResponseBytes {
        var components: [(name: String, failure: String?)] = []
        do {
            try api.database.probe()
            components.append(("database", nil))
        } catch {
            components.append(("database", "\(error)"))
        }
        components.append(("recorder", api.recorder.isOverloaded ? "too many decisions wait for the disk" : nil))
        components.append(("trainer", api.trainer.lastFailure))
        // Training may fail for one application while every decision is still answered.
        let failures = components.filter { $0.failure != nil && $0.name != "trainer" }
        guard failures.isEmpty else {
            return .problem(
                .serviceUnavailable,
                detail: failures.map { "\($0.name): \($0.failure ?? "")" }.joined(separator: "; "),
                headers: [("Retry-After", "1")])
        }
        let text =
            isVerbose
            ? components.map { "[\($0.failure == nil ? "+" : "-")] \($0.name) \($0.failure ?? "ok")\n" }.joined() : "ok\n"
        return ResponseBytes(contentType: .plainText, body: Array(text.utf8))
    }
}
