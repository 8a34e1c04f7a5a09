// What connections may hold in buffers: in all, and for one address, so that one client cannot take it from the others.

/// The bytes of large buffers in one loop, by who made them grow. Buffers of the initial size are bounded by the number
/// of connections and are not counted.
struct MemoryBudget {
    private(set) var total = 0
    private var byAddress: [PeerAddress: Int] = [:]
    private let totalMax: Int
    private let addressMax: Int

    init(_ options: ServerOptions) {
        let loops = max(1, options.loops)
        totalMax = options.bufferedBytesMax / loops
        addressMax = options.bufferedBytesPerAddressMax / loops
    }

    func isOver(_ peer: PeerAddress) -> Bool {
        total > 0 && (total > totalMax || byAddress[peer.network] ?? 0 > addressMax)
    }

    mutating func change(_ peer: PeerAddress, by bytes: Int) {
        total += bytes
        let key = peer.network
        let now = (byAddress[key] ?? 0) + bytes
        byAddress[key] = now > 0 ? now : nil
    }
}
