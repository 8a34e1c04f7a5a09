// The lanes in which requests wait: urgency before arrival, reads beside the rest, and what is cancelled is never done.

import Dispatch
import HTTPServer
import Synchronization
import Testing

@testable import API

@Suite struct WorkLanesTests {
    /// Deferrals as a server makes them, by priority.
    private func deferrals(_ priorities: [Priority]) -> [Deferral] {
        let made = Mutex<[Deferral]>([])
        var router = Router()
        for (name, priority) in [("control", Priority.control), ("work", .work), ("read", .read)] {
            router.add(.post, "/\(name)", options: RouteOptions(priority: priority)) { request, _ in
                made.withLock { $0.append(request.deferral()) }
                return .deferred
            }
        }
        let text = priorities.map { "POST /\($0) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" }.joined()
        _ = router.exchange(Array(text.utf8))
        return made.withLock { $0 }
    }

    @Test func controlGoesBeforeWorkAndReadsWaitForNobody() async {
        let lanes = WorkLanes()
        let order = Mutex<[String]>([])
        let note = { @Sendable (name: String) in order.withLock { $0.append(name) } }
        let tickets = deferrals([.work, .work, .work, .control, .read])
        #expect(tickets.map(\.priority) == [.work, .work, .work, .control, .read])
        // The lane is held up until everything is in it.
        lanes.urgent.suspend()
        for (ticket, name) in zip(tickets, ["a", "b", "c", "kill switch", "list"]) { lanes.submit(ticket) { note(name) } }
        for _ in 0..<500 where order.withLock({ $0.isEmpty }) { try? await Task.sleep(for: .milliseconds(2)) }
        #expect(order.withLock { $0 } == ["list"], "a read does not wait for what changes things")
        lanes.urgent.resume()
        await lanes.finish()
        #expect(order.withLock { $0 } == ["list", "kill switch", "a", "b", "c"])
    }

    @Test func whatIsCancelledIsNeverDone() async {
        let lanes = WorkLanes()
        let done = Mutex<[Int]>([])
        let tickets = deferrals([.work, .work, .work])
        lanes.urgent.suspend()
        for (index, ticket) in tickets.enumerated() { lanes.submit(ticket) { done.withLock { $0.append(index) } } }
        #expect(lanes.cancel(tickets[1]))
        #expect(!lanes.cancel(tickets[1]), "once")
        lanes.urgent.resume()
        await lanes.finish()
        #expect(done.withLock { $0 } == [0, 2])
        #expect(!lanes.cancel(tickets[0]), "it is done")
    }
}
