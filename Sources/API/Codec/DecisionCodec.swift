// A decision as JSON, the same for the answer, the history and the status page.

import Agents
import Base
import Deciding
import Scaling

enum DecisionCodec {
    static func write(_ decision: Decision, application: String, to json: inout JSONWriter) {
        json.openObject()
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
        json.openObject("vertical")
        json.member("cpuMillicores", decision.desired.cpuMillicores - decision.current.cpuMillicores)
        json.member("memoryBytes", decision.desired.memoryBytes - decision.current.memoryBytes)
        json.closeObject()
        object("desired", decision.desired, &json)
        json.member("reason", decision.reason.rawValue)
        json.member("reward", decision.reward)
        json.member("episode", decision.episode)
        json.member("step", decision.step)
        json.openObject("explanation")
        explain(decision, &json)
        json.closeObject()
        json.closeObject()
    }

    private static func explain(_ decision: Decision, _ json: inout JSONWriter) {
        if let policy = decision.policy {
            json.openObject("policy")
            allocation(policy.allocation, &json)
            json.member("probability", policy.probability)
            json.member("value", policy.value)
            json.closeObject()
        } else {
            json.null("policy")
        }
        object("rules", decision.rules, &json)
        json.openArray("guards")
        for note in decision.guards {
            json.openObject()
            json.member("rule", note.rule.name)
            json.member("field", note.field.name)
            json.member("before", note.before)
            json.member("after", note.after)
            json.member("detail", note.detail)
            json.closeObject()
        }
        json.closeArray()
        json.openArray("warnings")
        for warning in decision.warnings { json.element(warning) }
        json.closeArray()
    }

    private static func object(_ key: StaticString, _ value: Allocation, _ json: inout JSONWriter) {
        json.openObject(key)
        allocation(value, &json)
        json.closeObject()
    }

    /// What an allocation consists of, into the object that is open.
    static func allocation(_ allocation: Allocation, _ json: inout JSONWriter) {
        json.member("replicas", allocation.replicas)
        json.member("cpu", Quantity.text(millicores: allocation.cpuMillicores))
        json.member("memory", Quantity.text(bytes: allocation.memoryBytes))
    }
}
