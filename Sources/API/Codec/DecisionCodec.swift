// A decision as JSON, the same for the answer, the history and the status page.

import Agents
import Base
import Deciding
import Scaling

enum DecisionCodec {
    /// - Parameter withObservation: what was observed too. Whoever asks for a decision has just sent it; whoever reads
    ///   the history has not.
    static func write(
        _ decision: borrowing Decision, of agent: Agent, withObservation: Bool = false, to json: inout JSONWriter
    ) {
        json.openObject()
        // Out of the decision first: a closure that reads it would copy all of it.
        let (time, seq) = (decision.time, decision.seq)
        if seq > 0 {
            json.member("id", capacity: DecisionID.length) {
                DecisionID.write(time: time, seq: seq &- (agent.origin?.shift ?? 0), into: $0)
                return DecisionID.length
            }
        } else {
            // A dry run is stored nowhere: there is nothing to ask for by an id.
            json.null("id")
        }
        if let clientID = decision.clientID { json.member("clientId", clientID) }
        json.member("application", agent.name)
        json.member("time", capacity: Timestamp.lengthMax) { Timestamp.write(time, into: $0) }
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
        if withObservation { observation(decision.observation, &json) }
        json.closeObject()
    }

    /// The metrics that were there, by the names that observations are sent with.
    private static func observation(_ seen: Observation, _ json: inout JSONWriter) {
        json.openObject("observation")
        json.member("replicas", seen.replicas)
        if let ready = seen.readyReplicas { json.member("readyReplicas", ready) }
        if let kills = seen.oomKills { json.member("oomKills", kills) }
        func metric(_ key: StaticString, _ value: Double?) {
            if let value { json.member(key, value) }
        }
        metric("cpuUtilization", seen.cpuUtilization)
        metric("memoryUtilization", seen.memoryUtilization)
        metric("memoryPeakUtilization", seen.memoryPeakUtilization)
        metric("latencySeconds", seen.latencySeconds)
        metric("requestRate", seen.requestRate)
        metric("throughput", seen.throughput)
        json.closeObject()
    }

    private static func explain(_ decision: borrowing Decision, _ json: inout JSONWriter) {
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
        json.member("cpu", Quantity.parts(millicores: allocation.cpuMillicores))
        json.member("memory", Quantity.parts(bytes: allocation.memoryBytes))
    }
}
