// What each event loop keeps for itself.

import Agents
import HTTPServer
import Operations

/// What one event loop keeps between requests.
///
/// Only that loop's queue touches it (the last one belongs to the background queue), which is why it may call itself
/// Sendable without a lock.
final class LoopContext: @unchecked Sendable {
    let parser = JSONParser()
    var decisions: DecisionContext
    var writer = JSONWriter(reserving: 2048)
    /// Decisions of the current drain, and the requests that wait for their commit.
    var group = DecisionGroup()
    var waiting: [Deferral] = []
    /// For each of them, which decision of the group is its own; `nil` for a batch, which has many.
    var own: [Int?] = []

    init(table: ServingTable) { decisions = DecisionContext(table: table) }
}
