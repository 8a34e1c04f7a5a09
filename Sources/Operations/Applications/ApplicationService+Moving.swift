// One application's way from one server to another: sealed and exported there, imported here, deleted there.

import Agents
import Foundation
import Scaling
import Synchronization

extension Agent {
    /// Seconds after which an application that is being moved may be asked for again.
    private static let moveSeconds = 2

    /// What is refused while the application is on its way: it would not go with it.
    func sealed(advice: Allocation? = nil) -> OperationError {
        OperationError(
            .unavailable,
            "\(name) is sealed: it is on its way to another server, and nothing about it is changed here. Ask again: a proxy will know where it is. DELETE /v1/applications/\(name)/seal takes the seal away.",
            advice: advice, retryAfterSeconds: Self.moveSeconds)
    }

    public func checkUnsealed() throws(OperationError) { if isSealed { throw sealed() } }
}

extension ApplicationService {
    /// How long what was decided before the seal may take to get to the disk.
    private static let settlingSeconds = 2.0
    /// Decisions of one application that several loops may have made and not stored yet.
    private static let linksInFlight = 8

    /// Lets an application decide no more, here and after a restart. When this returns, all its answers are on disk.
    public func seal(_ agent: Agent, by action: OperatorAction) throws {
        agent.seal(true)
        do {
            try settle(agent)
            let seal = StoredHold(reason: action.reason, operatorName: action.operatorName, created: action.time)
            try store.set(seal, of: agent.id, audit: action.entry())
        } catch {
            agent.seal(false)
            throw error
        }
    }

    /// Lets a sealed application decide again.
    public func unseal(_ agent: Agent, by action: OperatorAction) throws {
        try store.set(nil, of: agent.id, audit: action.entry())
        agent.seal(false)
    }

    public func seal(of agent: Agent) throws -> StoredHold? { try store.seal(of: agent.id) }

    /// Waits until the last decision of a sealed application is stored or refused.
    private func settle(_ agent: Agent) throws {
        let deadline = ContinuousClock.now + .seconds(Self.settlingSeconds)
        while true {
            guard let last = agent.lastSeqIfLoaded else { return try directory.load(agent) }
            if try isStored(last, of: agent, links: Self.linksInFlight) { return }
            guard ContinuousClock.now < deadline else {
                // A link that is missing since long ago: nobody was answered with it.
                if try isStored(last, of: agent, links: 1) { return }
                throw OperationError(
                    .unavailable, "The last decisions of \(agent.name) are not on the disk yet.", retryAfterSeconds: 1)
            }
            Thread.sleep(forTimeInterval: 0.002)
        }
    }

    private func isStored(_ last: Int64, of agent: Agent, links: Int) throws -> Bool {
        var next = last
        for _ in 0..<links where next > 0 {
            guard let decision = try store.decision(seq: next, of: agent.id) else { return false }
            next = decision.previous
        }
        return true
    }

    /// All that there is of an application, for `adopt` on another server. Of one that is not sealed it is what was
    /// stored at one moment, and it goes on deciding.
    public func export(_ agent: Agent) throws -> [UInt8] {
        do {
            return try store.export(application: agent.id, last: agent.isSealed ? agent.lastSeqIfLoaded : nil, seed: directory.seed)
        } catch let failure as BundleFailure {
            throw OperationError(.conflict, "\(agent.name) cannot be exported: \(failure)")
        }
    }

    /// Takes an application from another server. It decides from now on as it would have there.
    /// - Throws: `conflict` when there is one of this name, `invalid` for a file that is damaged or of another kind.
    public func adopt(_ bundle: [UInt8], as name: String, decide: Decide, by action: OperatorAction) throws -> Agent {
        try ApplicationName.check(name)
        try directory.change.withLock { _ in
            guard registry[name] == nil else {
                throw OperationError(
                    .conflict, "There is an application \(name) already. Delete it first, or import under another name.")
            }
            try directory.checkRoom(for: name)
            _ = directory.arriving.withLock { $0.insert(name) }
        }
        defer { _ = directory.arriving.withLock { $0.remove(name) } }
        let arrived: ArrivedApplication
        do {
            arrived = try store.add(bundle: bundle, as: name, numbers: decide.reserve, audit: action.entry())
        } catch let failure as BundleFailure {
            throw OperationError(
                .invalid, "Nothing was imported: \(failure)", faults: [.init(pointer: "", code: "bundle", detail: "\(failure)")])
        } catch let error where !(error is OperationError) {
            throw OperationError(.unavailable, "Nothing was imported: \(error)", retryAfterSeconds: 5)
        }
        let application = arrived.application
        do {
            controls.adopt(arrived.control, of: application.id)
            let last = try store.lastDecision(of: application.id)
            try directory.load(application, last: last, try store.feedback(on: last), arrived.embedding) {
                directory.announce($0)
            }
            guard let agent = registry[name] else { throw OperationError(.unavailable, "\(name) is not there.") }
            return agent
        } catch {
            try? store.delete(application: application.id)
            throw error
        }
    }
}
