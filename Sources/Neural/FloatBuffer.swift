// Memory for activations and gradients: allocated once, aligned for vector loads, freed with its owner.

/// `count` floats at a fixed address. Not shared between threads: every trainer and every event loop has its own.
public final class FloatBuffer {
    public let count: Int
    public let pointer: UnsafeMutablePointer<Float>

    /// Zeros. A buffer of no floats still has an address, so that callers need not ask.
    public init(count: Int) {
        precondition(count >= 0, "a buffer cannot hold fewer than no floats")
        self.count = count
        let bytes = Swift.max(count, 1) * MemoryLayout<Float>.stride
        pointer = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64).bindMemory(
            to: Float.self, capacity: Swift.max(count, 1))
        pointer.initialize(repeating: 0, count: Swift.max(count, 1))
    }

    deinit { pointer.deallocate() }

    public var values: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

    public func clear() { pointer.update(repeating: 0, count: count) }
}
