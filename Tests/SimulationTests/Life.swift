// One simulated life of a server: a seed decides what clients, operators, network, disk and clocks do, and in which order.

import Agents
import Base
import CFaultyDisk
import Foundation
import GRDB
import GRDBSQLite
import Scaling

@testable import Operations
@testable import Store

/// An observation on its way to the server.
struct Message {
    var name: String
    var observation: Observation
    var id: String?
    var key: String?
}

final class Life {
    static let marker = "aware-store-"
    static let names = ["web", "shop", "mail", "search"]

    let root: String
    let seed: UInt64
    var random: SimulationRandom
    let machine = SimulatedClock()
    var server: SimulatedServer
    var promises = Promises()
    /// In the network; what leaves it need not leave in this order.
    var network: [Message] = []
    /// What each application runs, as its client carried it out.
    var running: [String: Allocation] = [:]
    private var folders = 0
    private var serial = 0
    /// Steps for which the clocks stand still.
    private var standstill = 0
    /// Promises after each acknowledgement of a step in which the power may be lost.
    private var states: [Promises] = []
    private(set) var trace = FNV1a()
    /// The last things that happened.
    private(set) var happenings: [String] = []
    private(set) var restarts = 0
    private(set) var decisions = 0

    init(seed: UInt64, root: String) throws {
        self.seed = seed
        self.root = root
        random = SimulationRandom(seed: 0x5EED, index: Int(seed))
        faultydisk_begin(root)
        server = try SimulatedServer(folder: root + "/0", machine: machine, seed: seed)
    }

    func note(_ text: @autoclosure () -> String) {
        let text = text()
        trace.append(text.utf8)
        happenings.append(text)
    }

    func next(_ kind: String) -> String {
        serial += 1
        return "\(kind)-\(serial)"
    }

    /// Something was promised.
    func acknowledged() {
        states.append(promises)
        faultydisk_acknowledge(Int64(states.count - 1))
    }

    /// Lives through `steps` steps and looks at everything at the end.
    func live(steps: Int) throws {
        for index in 0..<steps {
            try step(index)
        }
        calm()
        try restart(.stop)
    }

    private func step(_ index: Int) throws {
        if standstill > 0 { standstill -= 1 } else { machine.pass(random.uniform(0...40)) }
        states = [promises]
        faultydisk_acknowledge(0)
        // Now and then the power goes in the middle of whatever comes next.
        guard random.chance(1, in: 40) else { return try happen() }
        let (mark, next) = (server.markBytes, try newFolder())
        faultydisk_cut_at(faultydisk_operations() + 1 + Int64(random.below(12)), next, random.next())
        try happen()
        let acknowledged = faultydisk_acknowledged_at_cut()
        faultydisk_cut_at(-1, "", 0)
        guard acknowledged >= 0 else { return }
        let after = promises
        promises = states[Int(acknowledged)]
        promises.blur(with: after)
        note("power lost after \(acknowledged) of \(states.count - 1)")
        try server.cut(into: next, mark: mark)
        try start(in: next)
    }

    private func happen() throws {
        switch random.below(100) {
        case 0..<34: send()
        case 34..<68: try deliver()
        case 68..<71: time()
        case 71..<74: fail()
        case 74..<82: try operate()
        case 82..<85: try changeProfile()
        case 85: try delete()
        case 86..<88: try bound()
        case 88..<91: try feedBack()
        case 91..<94: try train()
        case 94: store()
        case 95: server.controls.save()
        case 96..<98: try promises.audit(server, isRestarted: false, random: &random)
        default: try restart(random.chance(1, in: 2) ? .stop : .kill)
        }
        server.settle()
    }

    // MARK: Clocks and disk

    private func time() {
        switch random.below(4) {
        case 0: standstill = random.below(12)
        case 1: machine.pass(Double([600, 3600, 90_000, 700_000][random.below(4)]))
        default:
            let span = [2.0, 3600, 86_400, 31_557_600, 315_576_000][random.below(5)]
            let jump = random.chance(1, in: 2) ? span : -span
            machine.jump(by: jump)
            note("the clock jumps by \(jump)")
        }
    }

    private func fail() {
        let (kind, code): (Int, ResultCode) =
            switch random.below(3) {
            case 0: (FAULTYDISK_SYNC, .SQLITE_IOERR_FSYNC)
            case 1: (FAULTYDISK_WRITE, .SQLITE_IOERR_WRITE)
            default: (FAULTYDISK_WRITE, .SQLITE_FULL)
            }
        let (number, count) = (1 + random.below(9), code == .SQLITE_FULL ? 1 + random.below(20) : 1 + random.below(2))
        faultydisk_fail(Int32(kind), Int64(number), Int64(count), code.rawValue)
        note("the disk fails: \(code.rawValue) at \(number), \(count) times")
    }

    func calm() { faultydisk_fail(0, 0, 0, 0) }

    private func store() {
        switch random.below(3) {
        case 0: server.writeBack()
        case 1: _ = try? server.database.compact(rows: 1)
        default:
            let copy = root + "/copy-\(next("copy")).sqlite"
            _ = try? Backup.make(of: server.folder, to: copy)
            try? FileManager.default.removeItem(atPath: copy)
        }
    }

    // MARK: Starts

    enum End { case stop, kill }

    private func newFolder() throws -> String {
        folders += 1
        let folder = root + "/\(folders)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    private func restart(_ end: End) throws {
        note("\(end)")
        switch end {
        case .stop:
            if server.shutDown() { return try start(in: server.folder) }
        case .kill: break
        }
        let next = try newFolder()
        try server.killed(into: next)
        try start(in: next)
    }

    private func start(in folder: String) throws {
        restarts += 1
        waiters.removeAll()
        network = network.filter { _ in random.chance(3, in: 4) }
        faultydisk_begin(root)
        // The first start may meet a disk that fails.
        if random.chance(1, in: 6) { fail() }
        do {
            server = try SimulatedServer(folder: folder, machine: machine, seed: seed)
        } catch {
            note("the start fails")
            calm()
            server = try SimulatedServer(folder: folder, machine: machine, seed: seed)
        }
        calm()
        try promises.audit(server, isRestarted: true, random: &random)
        note(promises.applications.values.sorted { $0.id < $1.id }.map { "\($0.id): \($0.answered.count)" }.joined(separator: ", "))
    }

    // MARK: Clients and network

    private func send() {
        let name = Self.names[random.below(Self.names.count)]
        let current = running[name] ?? Allocation(replicas: 1 + random.below(6), cpuMillicores: 512, memoryBytes: 512 << 20)
        running[name] = current
        var seen = Observation(replicas: random.chance(1, in: 40) ? random.below(12) : current.replicas)
        (seen.cpuMillicores, seen.memoryBytes) = (current.cpuMillicores, current.memoryBytes)
        seen.cpuUtilization = random.chance(1, in: 20) ? nil : random.uniform(0.05...1.2)
        seen.memoryUtilization = random.chance(1, in: 20) ? nil : random.uniform(0.2...1)
        seen.latencySeconds = random.chance(1, in: 20) ? nil : random.uniform(0.05...0.9)
        seen.requestRate = random.uniform(0...300)
        seen.oomKills = random.chance(1, in: 30) ? 1 : 0
        seen.applied = !random.chance(1, in: 15)
        seen.done = random.chance(1, in: 25)
        if random.chance(3, in: 4) { seen.time = machine.wall }
        var message = Message(name: name, observation: seen)
        if random.chance(1, in: 3) { message.id = next("id") }
        if random.chance(1, in: 4) { message.key = next("key") }
        guard !random.chance(1, in: 12) else { return note("dropped") }
        for _ in 0..<(random.chance(1, in: 5) ? 1 + random.below(3) : 1) { network.append(message) }
    }

    private func deliver() throws {
        var arrived: [Message] = []
        for _ in 0..<(1 + random.below(6)) where !network.isEmpty {
            // What waited for long may be the first to arrive, or arrive once more much later.
            let message = network[random.below(network.count)]
            if !random.chance(1, in: 10), let index = network.firstIndex(where: { $0.observation == message.observation }) {
                network.remove(at: index)
            }
            arrived.append(message)
        }
        var drain = Drain(self)
        try drain.serve(arrived)
        decisions += arrived.count
    }

    // MARK: Keys

    /// Requests that wait for the first one of their key.
    private var waiters: [Int: String] = [:]

    func ticket() -> Int {
        serial += 1
        return serial
    }

    func waits(_ ticket: Int, for key: String) { waiters[ticket] = key }

    func forget(_ ticket: Int) { waiters[ticket] = nil }

    /// The first request of a key was answered, and whoever waits for the same gets the same.
    func released(_ ticket: Int, with answer: String) throws {
        guard let key = waiters.removeValue(forKey: ticket) else { throw Broken("an answer for nobody: \(answer)") }
        try answered(answer, under: key)
    }

    func answered(_ answer: String, under key: String) throws(Broken) {
        try promises.check(answer, under: key)
        note("\(key): \(answer)")
    }
}
