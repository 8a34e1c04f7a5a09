// A decision as JSON, the same for the answer, the history and the status page (DESIGN section 6).

import Agents
import Scaling

enum DecisionCodec {
    static func write(_ decision: Decision, application: String, to json: inout JSONWriter) {
        json.object { json in
            if decision.seq > 0 {
                json.member("id", capacity: DecisionID.length) {
                    DecisionID.write(time: decision.time, seq: decision.seq, into: $0)
                    return DecisionID.length
                }
            } else {
                // A dry run is stored nowhere: there is nothing to ask for by an id.
                json.null("id")
            }
            if let clientID = decision.clientID { json.member("clientId", clientID) }
            json.member("application", application)
            json.member("time", capacity: Timestamp.lengthMax) { Timestamp.write(decision.time, into: $0) }
            json.member("stage", decision.stage.rawValue)
            json.member("source", decision.source.rawValue)
            json.member("modelVersion", decision.modelVersion)
            json.member("exploring", decision.exploring)
            json.member("horizontal", decision.desired.replicas - decision.current.replicas)
            json.object("vertical") {
                $0.member("cpuMillicores", decision.desired.cpuMillicores - decision.current.cpuMillicores)
                $0.member("memoryBytes", decision.desired.memoryBytes - decision.current.memoryBytes)
            }
            json.object("desired") { allocation(decision.desired, &$0) }
            json.member("reason", decision.reason.rawValue)
            json.member("reward", decision.reward)
            json.member("episode", decision.episode)
            json.member("step", decision.step)
            json.object("explanation") { explain(decision, &$0) }
        }
    }

    private static func explain(_ decision: Decision, _ json: inout JSONWriter) {
        if let policy = decision.policy {
            json.object("policy") {
                allocation(policy.allocation, &$0)
                $0.member("probability", policy.probability)
                $0.member("value", policy.value)
            }
        } else {
            json.null("policy")
        }
        json.object("rules") { allocation(decision.rules, &$0) }
        json.array("guards") { json in
            for note in decision.guards {
                json.object { json in
                    json.member("rule", note.rule.name)
                    json.member("field", note.field.name)
                    json.member("before", note.before)
                    json.member("after", note.after)
                    json.member("detail", note.detail)
                }
            }
        }
        json.array("warnings") { json in for warning in decision.warnings { json.element(warning) } }
    }

    static func allocation(_ allocation: Allocation, _ json: inout JSONWriter) {
        json.member("replicas", allocation.replicas)
        json.member("cpu", Quantity.text(millicores: allocation.cpuMillicores))
        json.member("memory", Quantity.text(bytes: allocation.memoryBytes))
    }
}
