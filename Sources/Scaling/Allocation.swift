// What an application is given: how many replicas, and how large each of them is.

/// Replicas and the limits of one replica. CPU in millicores, memory in bytes.
public struct Allocation: Sendable, Hashable {
    public var replicas: Int
    public var cpuMillicores: Int
    public var memoryBytes: Int

    public init(replicas: Int, cpuMillicores: Int, memoryBytes: Int) {
        self.replicas = replicas
        self.cpuMillicores = cpuMillicores
        self.memoryBytes = memoryBytes
    }

    /// CPU of all replicas together. Millicores; a float, because extreme profiles overflow an integer.
    var totalMillicores: Double { Double(replicas) * Double(cpuMillicores) }
}
