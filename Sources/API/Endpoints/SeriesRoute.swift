// GET .../series: what was observed and decided, step by step, as columns for charts on one time axis.

import Agents
import Base
import Deciding
import HTTPServer
import Operations
import Scaling

enum SeriesRoute {
    private static let stepsDefault = 300
    private static let stepsMax = 2000

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications/{app}/series") { request, response in
            let name = request.parameter(0)
            var errors = Listing.unknown(request, allowed: ["steps"])
            let steps = request.query("steps").map { Int($0) ?? 0 } ?? stepsDefault
            if !(1...stepsMax).contains(steps) {
                errors.append(
                    ProblemItem(pointer: "/steps", code: "range", detail: "A whole number from 1 to \(stepsMax)."))
            }
            guard errors.isEmpty else {
                response.problem(.badRequest, detail: APIError.summary(of: errors), errors: errors)
                return .respond
            }
            return api.polled(request) { try series(name, steps, api) }
        }
    }

    private static func series(_ name: String, _ steps: Int, _ api: APIContext) throws -> ResponseBytes {
        let agent = try api.agent(named: name)
        let newest = try api.store.decisions(of: agent.id, from: agent.status(nil).lastSeq, limit: steps, before: .infinity)
        let decisions = Array(newest.prefix(steps).reversed())
        var json = JSONWriter(reserving: 160 * decisions.count + 512)
        json.object { json in
            json.member("application", name)
            json.array("time") { json in for one in decisions { json.element(Timestamp.text(one.time)) } }
            json.array("source") { json in for one in decisions { json.element(one.source.rawValue) } }
            func column(_ key: StaticString, _ value: (Decision) -> Double?) {
                json.array(key) { json in for one in decisions { json.element(value(one)) } }
            }
            column("episode") { Double($0.episode) }
            // What ran when it was observed; the answer shows in the next column, if it was carried out.
            column("replicas") { Double($0.current.replicas) }
            column("cpuMillicores") { Double($0.current.cpuMillicores) }
            column("memoryBytes") { Double($0.current.memoryBytes) }
            column("requestRate") { $0.observation.requestRate }
            column("cpuUtilization") { $0.observation.cpuUtilization }
            column("memoryUtilization") { $0.observation.memoryPeakUtilization ?? $0.observation.memoryUtilization }
            column("latencySeconds") { $0.observation.latencySeconds }
            column("oomKills") { $0.observation.oomKills.map(Double.init) }
            column("reward") { $0.reward }
            // What was answered, and what the rules would have answered to the same observation.
            column("desiredReplicas") { Double($0.desired.replicas) }
            column("desiredCpuMillicores") { Double($0.desired.cpuMillicores) }
            column("desiredMemoryBytes") { Double($0.desired.memoryBytes) }
            column("rulesReplicas") { Double($0.rules.replicas) }
            column("rulesCpuMillicores") { Double($0.rules.cpuMillicores) }
            column("rulesMemoryBytes") { Double($0.rules.memoryBytes) }
        }
        return ResponseBytes(body: json.bytes)
    }
}
