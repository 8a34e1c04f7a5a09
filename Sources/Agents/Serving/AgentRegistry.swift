// All agents of the process, found by name on every request and listed in the order of their creation.

import Synchronization

public final class AgentRegistry: Sendable {
    private static let shardCount = 64

    private struct Listing {
        /// Ascending by id.
        var agents: [Agent] = []
    }

    /// Sharded by the name's hash, so that loops seldom meet at the same lock.
    private let shards: [Shard] = (0..<shardCount).map { _ in Shard() }
    private let listing = Mutex(Listing())

    private final class Shard: Sendable {
        let agents = Mutex<[String: Agent]>([:])
    }

    public init() {}

    private func shard(of name: String) -> Shard {
        // FNV-1a over the name: the standard library's hash costs several times as much for short strings.
        var hash: UInt32 = 2_166_136_261
        for byte in name.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return shards[Int(hash % UInt32(Self.shardCount))]
    }

    public subscript(name: String) -> Agent? { shard(of: name).agents.withLock { $0[name] } }

    /// Adds `agent` unless the name is taken; returns the one that has the name now.
    @discardableResult
    public func add(_ agent: Agent) -> Agent {
        let holder = shard(of: agent.name).agents.withLock { agents in
            if let present = agents[agent.name] { return present }
            agents[agent.name] = agent
            return agent
        }
        guard holder === agent else { return holder }
        listing.withLock { listing in
            let position = listing.agents.lastIndex { $0.id < agent.id }.map { $0 + 1 } ?? 0
            listing.agents.insert(agent, at: position)
        }
        return agent
    }

    public func remove(_ agent: Agent) {
        shard(of: agent.name).agents.withLock { agents in
            if agents[agent.name] === agent { agents[agent.name] = nil }
        }
        listing.withLock { listing in listing.agents.removeAll { $0 === agent } }
    }

    public var count: Int { listing.withLock { $0.agents.count } }

    /// Agents with an id below `id`, newest first.
    public func agents(before id: Int64, limit: Int) -> [Agent] {
        listing.withLock { listing in
            var result: [Agent] = []
            // The list is sorted: find the end by bisection.
            var (low, high) = (0, listing.agents.count)
            while low < high {
                let middle = (low + high) / 2
                if listing.agents[middle].id < id { low = middle + 1 } else { high = middle }
            }
            while low > 0, result.count < limit {
                low -= 1
                result.append(listing.agents[low])
            }
            return result
        }
    }
}
