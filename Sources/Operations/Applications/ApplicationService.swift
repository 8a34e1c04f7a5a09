// What can be asked for of one application: the parts it takes, and how an application is found.

import Agents
import Scaling

/// The operations on applications, apart from deciding. Its methods wait for the disk: call them where that is allowed.
public final class ApplicationService: Sendable {
    let registry: AgentRegistry
    let store: any ServerStore
    let trainer: Trainer
    let controls: OperatorControls
    let directory: ApplicationDirectory

    public init(
        registry: AgentRegistry, store: any ServerStore, trainer: Trainer, controls: OperatorControls,
        directory: ApplicationDirectory
    ) {
        self.registry = registry
        self.store = store
        self.trainer = trainer
        self.controls = controls
        self.directory = directory
    }

    /// The application of a name. Does not wait.
    /// - Throws: `notFound`.
    public func agent(named name: String) throws(OperationError) -> Agent {
        guard let agent = registry[name] else {
            throw OperationError(
                .notFound, "There is no application \"\(name)\". PUT /v1/applications/\(name) makes one.")
        }
        return agent
    }

    /// Removes an application with everything that is known of it.
    public func delete(_ name: String) throws {
        let agent = try agent(named: name)
        try directory.delete(agent)
        controls.forget(agent)
    }

    /// Stores what another controller observed, did and earned, and has it learned from. An application that nobody knows yet is made with the
    /// default profile: a history may be brought before the first observation.
    /// - Returns: the application's agent, and how many steps were new.
    public func learn(
        from transitions: [ExternalTransition], of name: String, at time: Double
    ) throws -> (agent: Agent, new: Int) {
        let agent = try registry[name] ?? directory.create(name, profile: .init(), at: time)
        try agent.checkUnsealed()
        let new = try store.insert(transitions, of: agent.id)
        if new > 0 { trainer.enqueue(agent) }
        return (agent, new)
    }
}
