// What operators, owners and the trainer do in a simulated life.

import Agents
import Base
import Deciding
import Learning
import Scaling

@testable import Operations

extension Life {
    private var agents: [Agent] { server.registry.agents(before: .max, limit: .max) }

    private func anyAgent() -> Agent? {
        let agents = agents
        return agents.isEmpty ? nil : agents[random.below(agents.count)]
    }

    private func action(_ kind: String, _ agent: Agent?) -> OperatorAction {
        OperatorAction(operatorName: "operator", action: kind, time: server.clock.now, reason: next(kind), application: agent?.name)
    }

    func operate() throws {
        if random.chance(1, in: 5) { return switchOff() }
        guard let agent = anyAgent() else { return }
        let kind = ["pin", "unpin", "mode", "approve"][random.below(4)]
        let action = action(kind, agent)
        let before = server.controls.control(of: agent)
        do {
            switch kind {
            case "pin":
                let profile = agent.profile
                let seconds: Double? = random.chance(1, in: 3) ? nil : random.uniform(1...4000)
                try server.controls.pin(
                    PinRequest(
                        replicas: profile.minReplicas + random.below(profile.maxReplicas - profile.minReplicas + 1),
                        cpuMillicores: profile.cpu.min + random.below(500), memoryBytes: profile.memory.max, until: nil,
                        seconds: seconds), agent, by: action)
            case "unpin": try server.controls.change(agent, audit: action.entry()) { $0.pin = nil }
            case "mode":
                let mode = StoredControl.Mode.allCases[random.below(4)]
                try server.controls.change(agent, audit: action.entry()) { ($0.mode, $0.modeReason) = (mode, action.reason) }
            default: _ = try server.service.approve(agent, nil, by: action)
            }
            let control = controlled(agent)
            promises.applications[agent.name]?.acts.append(action.reason)
            if control.pin != before.pin {
                promises.applications[agent.name]?.pinEnds = control.pin?.until.map { server.clock.steady + ($0 - server.clock.now) } ?? .infinity
            }
            acknowledged()
            note("\(kind) \(agent.name)")
        } catch {
            note("\(kind) \(agent.name) is refused")
            if !(error is OperationError) { promises.applications[agent.name]?.isUncertain = true }
        }
        guard server.controls.control(of: agent) == promises.applications[agent.name]?.controls[0] else { throw Broken("a refused \(kind) is in force") }
    }

    /// A change of what is demanded was acknowledged.
    @discardableResult
    private func controlled(_ agent: Agent) -> StoredControl {
        let control = server.controls.control(of: agent)
        promises.applications[agent.name]?.controls = [control]
        promises.applications[agent.name]?.isUncertain = false
        return control
    }

    private func switchOff() {
        let action = action("killSwitch", nil)
        let killSwitch = random.chance(1, in: 2)
            ? StoredHold(reason: action.reason, operatorName: "operator", created: action.time) : nil
        do {
            try server.controls.set(killSwitch, audit: action.entry())
            // On always works; whether it is stored already, its operator is not told.
            promises.killSwitches = killSwitch == nil ? [nil] : [killSwitch] + promises.killSwitches
            acknowledged()
            note("kill switch \(killSwitch != nil)")
        } catch {
            promises.killSwitches.append(killSwitch)
            note("kill switch \(killSwitch != nil) is refused")
        }
    }

    private func profile() -> Profile {
        var profile = Profile()
        profile.minReplicas = 1 + random.below(3)
        profile.maxReplicas = profile.minReplicas + 1 + random.below(20)
        profile.episodeSteps = 2 + random.below(6)
        profile.algorithm = random.chance(1, in: 3) ? .ppo : .rules
        profile.actuation = random.chance(1, in: 8) ? .approve : .auto
        profile.meta = false
        return profile
    }

    func changeProfile() throws {
        let (name, profile) = (Self.names[random.below(Self.names.count)], profile())
        do {
            if let agent = server.registry[name] {
                promises.applications[name]?.profiles.append((profile, agent.revision + 1))
                try server.directory.update(agent, profile: profile) { _ in true }
                promises.applications[name]?.profiles = [(profile, agent.revision)]
            } else {
                promises.perhapsThere[name] = profile
                made(try server.directory.create(name, profile: profile, at: server.clock.now))
            }
            acknowledged()
            note("profile of \(name)")
        } catch {
            note("profile of \(name) is refused")
        }
    }

    /// An application was made, and its client told.
    func made(_ agent: Agent) {
        promises.perhapsThere[agent.name] = nil
        promises.applications[agent.name] = KnownApplication(
            id: agent.id, name: agent.name, profiles: [(agent.profile, agent.revision)])
    }

    func delete() throws {
        guard let agent = anyAgent() else { return }
        do {
            try server.service.delete(agent.name)
            promises.gone.insert(agent.id)
            promises.applications[agent.name] = nil
            acknowledged()
            note("\(agent.name) is deleted")
        } catch {
            promises.perhapsGone.insert(agent.name)
            guard server.registry[agent.name] === agent else { throw Broken("a deletion failed, and \(agent.name) is gone") }
            note("\(agent.name) is not deleted")
        }
    }

    /// The beginning or end of an episode, said by its client.
    func bound() throws {
        guard let agent = anyAgent() else { return }
        let action = action("episode", agent)
        do {
            if random.chance(1, in: 2) {
                _ = try server.service.startEpisode(of: agent, by: action)
            } else {
                _ = try server.service.endEpisode("\(agent.runningEpisode.number)", of: agent, by: action)
            }
            controlled(agent)
            acknowledged()
            note("episode of \(agent.name)")
        } catch {
            if !(error is OperationError) { promises.applications[agent.name]?.isUncertain = true }
            note("episode of \(agent.name) is refused")
        }
    }

    func feedBack() throws {
        guard let agent = anyAgent(), let known = promises.applications[agent.name] else { return }
        let answered = known.answered.keys.sorted()
        guard !answered.isEmpty, let decision = known.answered[answered[random.below(answered.count)]] else { return }
        let feedback = DecisionFeedback(applied: random.chance(1, in: 2), reward: random.chance(1, in: 2) ? random.uniform() : nil)
        do {
            _ = try server.service.note(
                feedback, on: DecisionID.text(time: decision.time, seq: decision.seq), of: agent.name, at: server.clock.now)
            promises.applications[agent.name]?.feedback[decision.seq] = feedback
            acknowledged()
            note("outcome of \(decision.seq)")
        } catch {
            note("outcome of \(decision.seq) is refused")
        }
    }

    func train() throws {
        guard let agent = anyAgent() else { return }
        let action = action("stage", agent)
        let version = (server.table.activePolicy(of: agent.id)?.version ?? 0) + 1
        switch random.below(4) {
        case 0: break
        case 1:
            let policy = Policy(shape: .cluster(), seed: seed)
            let model = ModelVersion(
                application: agent.id, version: version, parent: 0, created: action.time, algorithm: "import", episode: 0,
                diagnostics: [:], weights: policy.encode())
            command(.adopt(model), agent, action)
            if let stored = try? server.service.model("\(version)", of: agent), let policy = try? Policy(decoding: stored.weights) {
                command(.promote(version: version, policy), agent, self.action("promote", agent))
            }
        case 2: command(.stage(.serving, hold: true), agent, action)
        default: command(.stage(.offline, hold: false), agent, action)
        }
        do {
            try server.trainer.train(agent)
            let active = server.table.activePolicy(of: agent.id)
            promises.applications[agent.name]?.duty = active.map { ($0.stage, $0.version) }
            acknowledged()
            note("training of \(agent.name): \(active?.stage.rawValue ?? "none") \(active?.version ?? 0)")
        } catch {
            promises.applications[agent.name]?.duty = nil
            note("training of \(agent.name) fails")
        }
    }

    private func command(_ command: TrainingCommand, _ agent: Agent, _ action: OperatorAction) {
        switch server.carryOut(command, for: agent, by: action) {
        case .success(let active):
            promises.applications[agent.name]?.acts.append(action.reason)
            // What follows may be lost.
            promises.applications[agent.name]?.duty = nil
            acknowledged()
            note("\(action.action) of \(agent.name): \(active.stage) by version \(active.version)")
        case .failure:
            note("\(action.action) of \(agent.name) is refused")
        }
    }
}
