// What a server has promised so far, and whether it keeps it: each check names the promise that is broken.

import Agents
import Base
import Deciding
import Operations
import Scaling

@testable import Store

/// A promise that was broken.
struct Broken: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// What is known of one application, from its making to its deletion.
struct KnownApplication {
    let id: Int64
    let name: String
    /// What is in force first; behind it what was refused by the disk, and may be found after a restart all the same.
    var profiles: [(profile: Profile, revision: Int)]
    var controls: [StoredControl] = [StoredControl()]
    /// Whether a change of `controls` was refused by the disk.
    var isUncertain = false
    /// Whether its making was acknowledged.
    var isCertain = true
    /// When the pin in force ends, on the clock that nobody sets.
    var pinEnds = Double.infinity
    /// Decisions that were answered, and those that were made and refused: of these each is there whole, or not at all.
    var answered: [Int64: Decision] = [:]
    var attempted: [Int64: Decision] = [:]
    /// Of the latter, those that are not there.
    var lost: [Int64: Decision] = [:]
    var feedback: [Int64: DecisionFeedback] = [:]
    /// Reasons of operators' acts that were acknowledged.
    var acts: [String] = []
    /// The policy on duty, as a command was answered.
    var duty: (stage: Stage, version: Int)?

    /// The last decisions that were answered or may be stored, in their order.
    func names(of id: String) -> [Int64] {
        answered.values.filter { $0.clientID == id }.map(\.seq).sorted()
    }

    /// Whether the server must still know the id of this decision.
    func isRemembered(_ seq: Int64) -> Bool {
        let later = answered.values.filter { $0.seq > seq && $0.clientID != nil }.count
            + attempted.values.filter { $0.seq > seq && $0.clientID != nil }.count
        return later < 32
    }
}

/// Everything that was promised, and the checks.
struct Promises {
    var applications: [String: KnownApplication] = [:]
    /// Deleted for good, and deletions that failed: those are there whole, or not at all.
    var gone: Set<Int64> = []
    var perhapsGone: Set<String> = []
    /// Applications whose making failed.
    var perhapsThere: [String: Profile] = [:]
    var killSwitches: [StoredHold?] = [nil]
    /// The highest number of a decision that was ever answered.
    var highest: Int64 = 0
    /// Answers that were kept, by idempotency key, and when they were made, on the clock that nobody sets.
    var keys: [String: (answer: String, made: Double)] = [:]

    static func text(_ decision: Decision) -> String {
        "\(decision.seq) \(decision.desired) \(decision.source) \(decision.reason) \(decision.episode)/\(decision.step)"
    }

    // MARK: Each decision

    /// A new decision, before it is committed.
    func check(_ decision: Decision, by agent: Agent, steady: Double) throws(Broken) {
        guard let known = applications[agent.name] else { throw Broken("a decision for an application that nobody made: \(agent.name)") }
        guard decision.seq > highest else { throw Broken("the number \(decision.seq) was given before, \(highest) is the highest") }
        let (profile, answer) = (agent.profile, decision.desired)
        guard known.profiles[0].profile == profile else { throw Broken("\(agent.name) decides by a profile that nobody gave") }
        let isOff = answer.replicas == 0 && (decision.current.replicas == 0 || decision.source == .hold)
        guard isOff || profile.clamp(answer) == answer else { throw Broken("\(answer) of \(agent.name) is outside its limits") }
        if let id = decision.clientID, let before = known.names(of: id).last, known.isRemembered(before) {
            throw Broken("the id \(id) is answered by \(decision.seq), and was by \(before)")
        }
        try check(decision, known, profile, steady: steady)
    }

    private func check(_ decision: Decision, _ known: KnownApplication, _ profile: Profile, steady: Double) throws(Broken) {
        if killSwitches[0] != nil, decision.source == .policy { throw Broken("a policy decides under the kill switch: \(decision.seq)") }
        let control = known.controls[0]
        let pin = steady < known.pinEnds ? control.pin : nil
        guard decision.current.replicas > 0, control.mode == .running || control.mode == .pause else { return }
        if control.mode == .pause {
            guard decision.desired == profile.clamp(decision.current) else {
                throw Broken("paused, and \(decision.desired) is answered where \(decision.current) runs")
            }
        } else if let pin {
            guard decision.desired == profile.clamp(pin.allocation) else {
                throw Broken("pinned at \(pin.allocation), and \(decision.desired) is answered")
            }
        } else if decision.source == .pin {
            throw Broken("the pin has ended, and \(decision.seq) is answered by it")
        }
    }

    /// What stands beside a refusal.
    func check(advice: Allocation?, of agent: Agent) throws(Broken) {
        guard let advice, advice.replicas > 0 else { return }
        guard agent.profile.clamp(advice) == advice else { throw Broken("the advice \(advice) is outside the limits of \(agent.name)") }
    }

    /// An answer to a request with a key.
    func check(_ answer: String, under key: String) throws(Broken) {
        if let before = keys[key], before.answer != answer {
            throw Broken("the key \(key) was answered \(before.answer), and now \(answer)")
        }
    }

    /// A request with a key is carried out as if it were the first.
    mutating func begins(_ key: String, at steady: Double) throws(Broken) {
        guard let before = keys.removeValue(forKey: key) else { return }
        guard steady - before.made >= IdempotencyLimits.keptSeconds else {
            throw Broken("the key \(key) is forgotten \(steady - before.made) s after its answer was kept")
        }
    }

    // MARK: All of it

    /// After the power was lost in the middle of what led to `next`: that may have happened, or not.
    mutating func blur(with next: Promises) {
        for (name, after) in next.applications {
            guard var known = applications[name], known.id == after.id else {
                var after = after
                (after.isCertain, after.duty, after.feedback, after.acts) = (false, nil, [:], [])
                after.attempted.merge(after.answered) { $1 }
                after.answered = [:]
                if applications[name] == nil { applications[name] = after }
                continue
            }
            known.profiles += after.profiles
            known.controls += after.controls
            known.isUncertain = known.isUncertain || after.isUncertain
            known.attempted.merge(after.attempted) { $1 }
            known.attempted.merge(after.answered.filter { known.answered[$0.key] == nil }) { $1 }
            if known.duty.map({ "\($0)" }) != after.duty.map({ "\($0)" }) { known.duty = nil }
            applications[name] = known
        }
        for name in applications.keys where next.applications[name] == nil { perhapsGone.insert(name) }
        perhapsThere.merge(next.perhapsThere) { $1 }
        killSwitches += next.killSwitches
    }

    /// What a restart may have brought to light: of what was uncertain one or the other.
    private mutating func adopt(_ server: SimulatedServer) throws(Broken) {
        for (name, known) in applications where server.registry[name] == nil {
            guard perhapsGone.contains(name) || !known.isCertain else { throw Broken("\(name) is gone") }
            applications[name] = nil
            if known.isCertain { gone.insert(known.id) }
        }
        for (name, profile) in perhapsThere where applications[name] == nil {
            guard let agent = server.registry[name] else { continue }
            applications[name] = KnownApplication(id: agent.id, name: name, profiles: [(profile, 1)])
        }
        (perhapsGone, perhapsThere) = ([], [:])
        let killSwitch = server.controls.killSwitch
        guard killSwitches.contains(killSwitch) else { throw Broken("the kill switch is \(String(describing: killSwitch)), not \(killSwitches)") }
        killSwitches = [killSwitch]
        for (name, known) in applications {
            guard let agent = server.registry[name] else { continue }
            let (profile, revision, control) = (agent.profile, agent.revision, server.controls.control(of: agent))
            guard known.profiles.contains(where: { $0 == (profile, revision) }) else {
                throw Broken("the profile of \(name) is not what was put, revision \(revision) of \(known.profiles.map(\.revision))")
            }
            guard known.isUncertain || known.controls.contains(control) else { throw Broken("the demands on \(name) are \(control), not \(known.controls)") }
            applications[name]?.isCertain = true
            applications[name]?.isUncertain = false
            applications[name]?.profiles = [(profile, revision)]
            applications[name]?.controls = [control]
            applications[name]?.pinEnds = control.pin?.until.map { server.clock.steady + ($0 - server.clock.now) } ?? .infinity
        }
    }

    /// Compares everything that was promised with what is there.
    mutating func audit(_ server: SimulatedServer, isRestarted: Bool, random: inout SimulationRandom) throws {
        if isRestarted { try adopt(server) }
        guard server.controls.killSwitch == killSwitches[0] else { throw Broken("the kill switch is not as it was set") }
        for name in applications.keys.sorted() {
            guard let agent = server.registry[name] else { throw Broken("\(name) is gone") }
            guard var known = applications[name], known.id == agent.id else { throw Broken("\(name) is another one") }
            try Self.audit(&known, agent, server, &random)
            applications[name] = known
        }
        for agent in server.registry.agents(before: .max, limit: .max) {
            guard applications[agent.name] != nil else { throw Broken("\(agent.name) is there, and nobody made it") }
        }
        // Its rows go in slices, behind its deletion.
        if (try? server.database.finishDeletions()) != nil {
            for id in gone.sorted() where try !server.database.decisions(of: id, from: .max, limit: 1).isEmpty {
                throw Broken("the deleted application \(id) has decisions")
            }
        }
        server.settle()
        try auditEvents(server, &random)
    }

    private static func audit(
        _ known: inout KnownApplication, _ agent: Agent, _ server: SimulatedServer, _ random: inout SimulationRandom
    ) throws {
        guard known.profiles[0] == (agent.profile, agent.revision) else { throw Broken("the profile of \(agent.name) is not what was put") }
        guard known.controls[0] == server.controls.control(of: agent) else { throw Broken("the demands on \(agent.name) are others") }
        try auditHistory(&known, agent, server, &random)
        for (seq, feedback) in known.feedback.sorted(by: { $0.key < $1.key }) where try server.database.feedback(on: seq) != feedback {
            throw Broken("the outcome of \(seq) is lost")
        }
        var filter = LogFilter()
        filter.application = known.name
        filter.limit = 100_000
        let reasons = Set(try server.database.audit(filter).map(\.reason))
        if let lost = known.acts.first(where: { !reasons.contains($0) }) { throw Broken("the act \"\(lost)\" is not in the audit log") }
        if let duty = known.duty {
            let active = server.table.activePolicy(of: agent.id)
            guard active?.stage == duty.stage, active?.version == duty.version else {
                throw Broken("\(agent.name) is \(active.map { "\($0.stage) by version \($0.version)" } ?? "nothing"), and was \(duty)")
            }
        }
    }

    /// The chain of an application's decisions and episodes, read in pages of any size.
    private static func auditHistory(
        _ known: inout KnownApplication, _ agent: Agent, _ server: SimulatedServer, _ random: inout SimulationRandom
    ) throws {
        let newest = try server.database.lastDecision(of: agent.id)
        let all = try server.database.decisions(of: agent.id, from: newest, limit: .max)
        let stored = Dictionary(all.map { ($0.seq, $0) }, uniquingKeysWith: { first, _ in first })
        guard stored.count == all.count else { throw Broken("\(known.name) has a decision twice") }
        for (seq, decision) in known.answered.sorted(by: { $0.key < $1.key }) {
            guard let found = stored[seq] else { throw Broken("the answered decision \(seq) of \(known.name) is lost") }
            guard found == decision else { throw Broken("the decision \(seq) of \(known.name) was \(decision), and is \(found)") }
        }
        for decision in all where known.answered[decision.seq] == nil {
            guard let tried = known.attempted[decision.seq], tried == decision else {
                throw Broken("the decision \(decision.seq) of \(known.name) was never made")
            }
            known.answered[decision.seq] = decision
        }
        for (seq, decision) in known.attempted where stored[seq] == nil { known.lost[seq] = decision }
        known.attempted.removeAll()
        var before: Decision?
        for decision in all.reversed() {
            // Two loops may decide for one application at the same time, and the process die between their commits. Then a link is
            // missing, and nobody was answered with it.
            let last = decision.previous == before?.seq ?? 0 ? before : known.lost[decision.previous]
            guard last?.seq ?? 0 == decision.previous else {
                throw Broken("\(decision.seq) of \(known.name) follows \(decision.previous), not \(before?.seq ?? 0)")
            }
            let isNext = decision.episode == last?.episode && decision.step == last!.step + 1
            let begins = decision.episode == (last?.episode ?? 0) + 1 && decision.step == 0
            guard isNext || begins else {
                throw Broken("\(known.name) goes from \(last.map { "\($0.episode)/\($0.step)" } ?? "nothing") to \(decision.episode)/\(decision.step)")
            }
            before = decision
        }
        try auditPages(known, agent, all, newest, server, &random)
        try auditEpisodes(known, agent, all, server, &random)
    }

    private static func auditPages(
        _ known: KnownApplication, _ agent: Agent, _ all: [Decision], _ newest: Int64, _ server: SimulatedServer,
        _ random: inout SimulationRandom
    ) throws {
        let end = random.below(3) == 0 ? all.isEmpty ? 0 : all[random.below(all.count)].time : Double.infinity
        var (paged, next): ([Decision], Int64) = ([], newest)
        while next > 0 {
            let page = try server.database.decisions(of: agent.id, from: next, limit: 1 + random.below(9), before: end)
            guard let last = page.last else { break }
            paged += page
            next = last.previous
        }
        guard paged.filter({ $0.time < end }) == all.filter({ $0.time < end }) else {
            throw Broken("the pages of \(known.name) before \(end) are not its history: \(paged.map(\.seq)) of \(all.map(\.seq))")
        }
    }

    private static func auditEpisodes(
        _ known: KnownApplication, _ agent: Agent, _ all: [Decision], _ server: SimulatedServer, _ random: inout SimulationRandom
    ) throws {
        var (episodes, before): ([EpisodeSummary], Int) = ([], .max)
        while true {
            let page = try server.database.episodes(of: agent.id, before: before, limit: 1 + random.below(5))
            guard let last = page.last else { break }
            episodes += page
            before = last.number
        }
        let running = all.first?.episode ?? 1
        // Without its closing decision an episode is none.
        let unclosed = Set(known.lost.values.filter { $0.step == 0 }.map { $0.episode - 1 })
        guard episodes.map(\.number) == Set(episodes.map(\.number)).sorted(by: >),
            unclosed.union(episodes.map(\.number)).isSuperset(of: 1..<max(1, running))
        else {
            throw Broken("\(known.name) has the episodes \(episodes.map(\.number)), and \(running) is running")
        }
        for episode in episodes {
            guard episode.started <= episode.ended else {
                throw Broken("episode \(episode.number) of \(known.name) ends \(episode.started - episode.ended) s before it starts")
            }
            let steps = all.filter { $0.episode == episode.number }.count
            let missing = known.lost.values.filter { $0.episode == episode.number }.count
            guard steps <= episode.steps, steps + missing >= episode.steps else {
                throw Broken("episode \(episode.number) of \(known.name) has \(steps) steps and tells of \(episode.steps)")
            }
        }
    }

    private func auditEvents(_ server: SimulatedServer, _ random: inout SimulationRandom) throws {
        var (ids, last): ([Int64], Int64) = ([], 0)
        while true {
            let page = try server.database.events(after: last, limit: 1 + random.below(7))
            guard let newest = page.last else { break }
            ids += page.map(\.event.id)
            last = newest.event.id
        }
        guard ids == Set(ids).sorted() else { throw Broken("events are told twice, or out of order: \(ids)") }
    }
}

extension SimulationRandom {
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(max(1, count))) }

    mutating func chance(_ one: Int, in many: Int) -> Bool { below(many) < one }
}
