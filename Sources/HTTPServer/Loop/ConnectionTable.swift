// A loop's connections by index, with generations, so that news about a connection that is gone finds nobody.

struct ConnectionTable {
    private var slots: [Connection?] = []
    private var free: [UInt32] = []
    private var generation: UInt32 = 0
    private(set) var count = 0

    /// The top bit of a key is the listeners'; generations stay below it.
    private static let generationMask: UInt32 = 0x7FFF_FFFF

    mutating func insert(_ make: (_ index: UInt32, _ generation: UInt32) -> Connection) -> Connection {
        generation = (generation &+ 1) & Self.generationMask
        let index = free.popLast() ?? UInt32(slots.count)
        let connection = make(index, generation)
        if Int(index) == slots.count { slots.append(connection) } else { slots[Int(index)] = connection }
        count += 1
        return connection
    }

    subscript(key: UInt64) -> Connection? {
        find(UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32))
    }

    func find(_ index: UInt32, _ generation: UInt32) -> Connection? {
        guard Int(index) < slots.count, let connection = slots[Int(index)], connection.generation == generation else {
            return nil
        }
        return connection
    }

    mutating func remove(_ connection: Connection) {
        slots[Int(connection.index)] = nil
        free.append(connection.index)
        count -= 1
    }

    var all: [Connection] { slots.compactMap { $0 } }
}
