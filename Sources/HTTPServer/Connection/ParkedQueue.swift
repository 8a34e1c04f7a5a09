// Work that has been read and waits for its turn: in order of arrival, bounded in number and in age.

/// Connections whose next request waits; each stands here at most once.
struct ParkedQueue {
    struct Entry {
        let connection: UInt32
        let generation: UInt32
        let since: UInt64
    }

    private var entries: [Entry] = []
    private var first = 0

    var count: Int { entries.count - first }
    var isEmpty: Bool { first == entries.count }
    var oldest: Entry? { isEmpty ? nil : entries[first] }

    mutating func append(_ entry: Entry) { entries.append(entry) }

    mutating func removeFirst() {
        first += 1
        if isEmpty {
            entries.removeAll(keepingCapacity: true)
            first = 0
        } else if first >= 1024 {
            entries.removeFirst(first)
            first = 0
        }
    }
}
