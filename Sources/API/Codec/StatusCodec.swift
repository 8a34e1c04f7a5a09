// An application's state in short, the same in the list, on its own and for the status page.

import Agents
import Base
import Deciding
import Operations
import Scaling

enum StatusCodec {
    /// One thing that somebody demanded and that keeps the agent from acting as it would.
    struct Override {
        var kind: String
        /// `nil` where the log does not know it any more.
        var actor: String?
        var since: Double?
        /// `nil` for until it is taken back.
        var until: Double?
        var reason: String
    }

    /// Writes the members of a status into the object that is open.
    /// - Throws: when the database cannot be read. Call it on the background queue.
    static func members(
        _ agent: Agent, _ figures: ApplicationFigures, _ overrides: [Override], _ api: APIContext
    ) -> [UInt8] {
        let active = api.table.activePolicy(of: agent.id)
        let status = agent.status(active)
        var json = JSONWriter(reserving: 900)
        json.object { json in
            json.member("name", agent.name)
            json.member("stage", status.stage.rawValue)
            json.member("source", status.source?.rawValue)
            json.member("reward", status.reward)
            json.member("rulesReward", status.rulesReward)
            json.member("episodes", status.episodes)
            json.member("episodesTrained", api.trainer.trainedEpisode(of: agent.id))
            json.member("decisions", status.decisions)
            json.member("modelVersion", status.modelVersion)
            json.member("updated", status.updated.map(Timestamp.text))
            if let allocation = status.allocation {
                json.member("replicas", allocation.replicas)
                json.member("cpu", Quantity.text(millicores: allocation.cpuMillicores))
                json.member("memory", Quantity.text(bytes: allocation.memoryBytes))
                json.member("atLimit", allocation.replicas >= agent.profile.maxReplicas)
            }
            json.member("objective", objective(agent.profile))
            json.object("rules") { write(active?.calibration, agent.profile, to: &$0) }
            if let agreement = active?.agreement { json.object("judge") { write(agreement, to: &$0) } }
            json.object("window") { write(figures, isActing: isActing(status, overrides), to: &$0) }
            json.array("overrides") { write(overrides, to: &$0) }
        }
        return json.bytes
    }

    /// Whether what is measured now is the policy's doing: only then may it be compared with the rules.
    static func isActing(_ status: AgentStatus, _ overrides: [Override]) -> Bool {
        status.source == .policy && !overrides.contains { ["killSwitch", "pin", "pause"].contains($0.kind) }
    }

    private static func write(_ figures: ApplicationFigures, isActing: Bool, to json: inout JSONWriter) {
        let comparison = isActing ? figures.comparison : nil
        json.member("episodes", figures.episodes)
        json.member("reward", figures.reward)
        json.member("violations", figures.violations)
        json.member("maxViolations", figures.maxViolations)
        json.member("difference", comparison?.difference)
        json.member("standardError", comparison?.standardError)
        json.member("policyEpisodes", figures.policyEpisodes)
        json.member("rulesEpisodes", figures.rulesEpisodes)
        json.member("bill", figures.bill)
        json.member("rulesBill", figures.rulesBill)
        json.member("oomKills", figures.oomKills)
        json.member("alarm", figures.alarm)
        json.array("rewards") { json in for reward in figures.rewards { json.element(reward) } }
    }

    /// How the rules are set, into the object that is open.
    private static func write(_ calibration: Calibration?, _ profile: Profile, to json: inout JSONWriter) {
        let found = calibration.flatMap { $0.applies(to: profile) ? $0 : nil }
        let setting = found ?? Calibration(profile)
        json.member("calibrated", found != nil)
        json.member("cpuTarget", setting.cpuTarget)
        json.member("memoryMargin", setting.memoryMargin)
        json.member("cpu", setting.cpuMillicores.map { Quantity.text(millicores: $0) })
        json.member("thrift", setting.thrift)
    }

    /// How often and by how much the judge's replays were wrong, into the object that is open.
    private static func write(_ agreement: ReplayAgreement, to json: inout JSONWriter) {
        func write(_ errors: ReplayAgreement.Errors, to json: inout JSONWriter) {
            json.member("episodes", errors.episodes)
            json.member("error", errors.episodes > 0 ? errors.median : nil)
            json.member("deviation", errors.episodes > 1 ? errors.deviation : nil)
        }
        json.object("rules") { write(agreement.ofRules, to: &$0) }
        json.object("policy") { write(agreement.ofPolicy, to: &$0) }
        json.member("judged", agreement.judged)
        json.member("wrong", agreement.wrong)
    }

    /// What was identified of the application, into the object that is open.
    static func write(_ knowledge: Knowledge, to json: inout JSONWriter) {
        json.member("cpuSecondsPerRequest", knowledge.cpuSecondsPerRequest)
        json.member("keptUtilization", knowledge.keptUtilization)
        json.member("missedUtilization", knowledge.missedUtilization)
        json.member("memoryNow", knowledge.memoryNow.map { Quantity.text(bytes: $0) })
        json.member("memoryFull", knowledge.memoryFull.map { Quantity.text(bytes: $0) })
        json.member("memoryFloor", knowledge.memoryFloor.map { Quantity.text(bytes: $0) })
    }

    /// Into the array that is open.
    static func write(_ overrides: [Override], to json: inout JSONWriter) {
        for override in overrides {
            json.object { json in
                json.member("kind", override.kind)
                json.member("actor", override.actor)
                json.member("since", override.since.map(Timestamp.text))
                json.member("until", override.until.map(Timestamp.text))
                json.member("reason", override.reason)
            }
        }
    }

    /// What keeps `agent` from acting by its lifecycle now, the strongest first.
    static func overrides(of agent: Agent, _ api: APIContext) throws -> [Override] {
        let control = api.controls.control(of: agent)
        var found: [Override] = []
        if control.mode != .running {
            let order = try latest("mode", agent, api)
            found.append(
                Override(
                    kind: control.mode.rawValue, actor: order?.operatorName, since: order?.time, until: nil,
                    reason: control.modeReason))
        }
        if let pin = api.controls.pin(of: agent) {
            found.append(
                Override(
                    kind: "pin", actor: pin.operatorName, since: pin.created, until: pin.until, reason: pin.reason))
        }
        if let killSwitch = api.controls.killSwitch {
            found.append(
                Override(
                    kind: "killSwitch", actor: killSwitch.operatorName, since: killSwitch.created, until: nil,
                    reason: killSwitch.reason))
        }
        if api.table.activePolicy(of: agent.id)?.isHeld == true {
            let order = try latest("stage", agent, api)
            found.append(
                Override(
                    kind: "stageHold", actor: order?.operatorName, since: order?.time, until: nil, reason: order?.reason ?? ""))
        }
        return found
    }

    private static func latest(_ action: String, _ agent: Agent, _ api: APIContext) throws -> AuditEntry? {
        var filter = LogFilter()
        filter.application = agent.name
        filter.kind = action
        filter.since = agent.created
        filter.limit = 1
        return try api.store.audit(filter).first
    }

    static func objective(_ profile: Profile) -> String {
        switch profile.objective {
        case .latency(let seconds, let percentile):
            "p\(Int(exactly: percentile).map(String.init) ?? "\(percentile)") <= \(seconds) s"
        case .throughput(let perSecond): ">= \(perSecond) requests/s"
        case .none: "none"
        }
    }
}
