// GET /v1/server: how the server itself is, in a few figures. /metrics has all of them.

import Operations
import Agents
import HTTPServer

enum ServerRoute {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/server") { _, response in
            var json = JSONWriter()
            json.object { json in
                json.member("decisions", api.decide.metrics.durations.counts.reduce(0) { $0 + Int($1) })
                json.member("trainingBacklog", api.trainer.backlog)
                json.member("databaseBytes", Disk.bytes(of: api.store.path) + Disk.bytes(of: api.store.path + "-wal"))
                json.member("diskFreeBytes", Disk.free(at: api.store.path))
                json.member("basePolicy", api.shared.policyVersion)
                json.member("encoder", api.shared.encoderVersion)
            }
            response.contentType = .json
            response.body(json.bytes)
            return .respond
        }
    }
}
