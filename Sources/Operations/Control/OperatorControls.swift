// What operators demand: stored with who and why, then put into force, then told to listeners.
//
// Precedence, strongest last: kill switch (the rules propose), the guards' restraints, pin, pause, approval (skipped
// under a pin or a pause), freeze-down, the profile's limits. `Guards` carries it out.

import Agents
import Dispatch
import Logging
import Scaling
import Synchronization

/// The one place that changes `Controls`. Its methods wait for the database: call them on the background queue.
public final class OperatorControls: Sendable {
    private struct Contents {
        var controls: [Int64: StoredControl] = [:]
        /// When pins end, on the clock that nobody sets.
        var pinEnds: [Int64: Double] = [:]
        var killSwitch: StoredHold?
    }

    private let store: any ServerStore
    private let log: Logger
    private let registry: AgentRegistry
    private let clock: Clock
    private let contents = Mutex(Contents())
    /// A kill switch that is on and could not be written.
    private struct Unsaved { var killSwitch: StoredHold, entry: AuditEntry }
    private let unsaved = Mutex<Unsaved?>(nil)
    private let retries = DispatchQueue(label: "aware.killswitch")
    private let retryAfter: DispatchTimeInterval
    /// Changes happen one at a time; readers need not wait for the disk.
    private let change = Mutex(())

    /// - Parameter retryAfter: when it is tried again to write a kill switch that could not be.
    /// - Precondition: the registry holds every stored application.
    public init(
        store: any ServerStore, registry: AgentRegistry, clock: Clock, log: Logger,
        retryAfter: DispatchTimeInterval = .seconds(1)
    ) throws {
        self.retryAfter = retryAfter
        self.store = store
        self.log = log
        self.registry = registry
        self.clock = clock
        let controls = try store.controls()
        let killSwitch = try store.killSwitch()
        // After a start nothing is known but what the machine's clock says now.
        let ends = controls.compactMapValues { Self.pinEnd(of: $0, clock) }
        contents.withLock { $0 = Contents(controls: controls, pinEnds: ends, killSwitch: killSwitch) }
        for agent in registry.agents(before: .max, limit: .max) { enforce(on: agent) }
    }

    /// When a pin that is put into force now ends, on the clock that nobody sets.
    private static func pinEnd(of control: StoredControl, _ clock: Clock) -> Double? {
        control.pin?.until.map { clock.steady + ($0 - clock.now) }
    }

    public func control(of agent: Agent) -> StoredControl { contents.withLock { $0.controls[agent.id] } ?? StoredControl() }

    /// The pin of `agent` that has not ended yet.
    public func pin(of agent: Agent) -> StoredControl.Pin? {
        contents.withLock { contents in
            clock.steady < contents.pinEnds[agent.id] ?? .infinity ? contents.controls[agent.id]?.pin : nil
        }
    }

    public var killSwitch: StoredHold? { contents.withLock { $0.killSwitch } }

    /// Changes what is demanded of `agent`.
    @discardableResult
    public func change(
        _ agent: Agent, audit entry: AuditEntry, _ mutate: (inout StoredControl) throws -> Void
    ) throws -> StoredControl {
        try agent.checkUnsealed()
        return try change.withLock { _ in
            let before = control(of: agent)
            var control = before
            try mutate(&control)
            try store.set(control, of: agent.id, audit: entry)
            contents.withLock { contents in
                contents.controls[agent.id] = control
                // However the machine's clock is set from now on, the pin lasts as long as it was meant to.
                if control.pin != before.pin { contents.pinEnds[agent.id] = Self.pinEnd(of: control, clock) }
            }
            enforce(on: agent)
            log.notice(entry)
            return control
        }
    }

    /// Every application back to the rules, or (`nil`) to whoever acts by its lifecycle.
    public func set(_ killSwitch: StoredHold?, audit entry: AuditEntry) throws {
        try change.withLock { _ in
            do {
                try store.set(killSwitch, audit: entry)
                unsaved.withLock { $0 = nil }
            } catch {
                // Turning it on always works: it counts from now on, and is written as soon as that is possible.
                guard let killSwitch else { throw error }
                log.error("the kill switch is on, and could not be stored yet", metadata: ["error": "\(error)"])
                unsaved.withLock { $0 = Unsaved(killSwitch: killSwitch, entry: entry) }
                saveLater()
            }
            contents.withLock { $0.killSwitch = killSwitch }
            log.notice(entry)
            for agent in registry.agents(before: .max, limit: .max) { enforce(on: agent) }
        }
    }

    private func saveLater() { retries.asyncAfter(deadline: .now() + retryAfter) { [weak self] in self?.save() } }

    /// Writes the kill switch that could not be written, if there is one.
    func save() {
        change.withLock { _ in
            guard let unsaved = unsaved.withLock({ $0 }) else { return }
            if (try? store.set(unsaved.killSwitch, audit: unsaved.entry)) != nil {
                self.unsaved.withLock { $0 = nil }
            } else {
                saveLater()
            }
        }
    }

    /// Puts what is demanded into force; also for an application that has just been made.
    public func enforce(on agent: Agent) {
        let (stored, pinEnds, isKilled) = contents.withLock {
            ($0.controls[agent.id], $0.pinEnds[agent.id], $0.killSwitch != nil)
        }
        var controls = Controls()
        controls.killSwitch = isKilled
        if let stored {
            controls.pin = stored.pin?.allocation
            controls.pinUntil = pinEnds
            controls.paused = stored.mode == .pause
            controls.freezeDown = stored.mode == .freezeDown
            controls.freezeUp = stored.mode == .freezeUp
            controls.approved = stored.approved
            controls.episodeEnded = stored.episodeEnded
        }
        agent.controls = controls
    }

    /// What was demanded of an application that has come from another server.
    func adopt(_ control: StoredControl, of application: Int64) {
        contents.withLock { contents in
            contents.controls[application] = control
            contents.pinEnds[application] = Self.pinEnd(of: control, clock)
        }
    }

    /// After an application was deleted.
    public func forget(_ agent: Agent) {
        contents.withLock { contents in
            contents.controls[agent.id] = nil
            contents.pinEnds[agent.id] = nil
        }
    }
}

extension Logger {
    /// One line for an operator's act.
    func notice(_ entry: AuditEntry) {
        var metadata: Metadata = ["action": "\(entry.action)", "operator": "\(entry.operatorName)", "reason": "\(entry.reason)"]
        if let application = entry.application { metadata["application"] = "\(application)" }
        if entry.detail != "{}" { metadata["detail"] = "\(entry.detail)" }
        notice("operator action", metadata: metadata)
    }
}
