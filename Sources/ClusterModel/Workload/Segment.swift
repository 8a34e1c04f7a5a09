// The building blocks of synthetic applications: what one piece of a request costs (AWARE, USENIX ATC 2023).

/// One kind of work inside a request. An application is a sequence of one to three of them.
public struct Segment: Sendable, Hashable {
    public let name: String
    /// CPU work of one request in core-seconds.
    public let cpuSeconds: Double
    /// Time that one request waits for disks or the network, in seconds.
    public let ioSeconds: Double
    /// Cores that one request can use at once.
    public let parallelism: Double
    /// Memory of an idle process in bytes.
    public let baseBytes: Double
    /// Memory that one request in flight adds, in bytes.
    public let bytesPerRequest: Double

    init(_ name: String, cpu: Double, io: Double, cores: Double, base: Double, each: Double) {
        self.name = name
        cpuSeconds = cpu / 1000
        ioSeconds = io / 1000
        parallelism = cores
        baseBytes = base * 1_048_576
        bytesPerRequest = each * 1_048_576
    }

    /// Sixteen segments, after the eleven local and five cloud ones of the paper's generator. Milliseconds of CPU and
    /// of I/O, usable cores, MiB of an idle process, MiB for each request in flight.
    public static let all: [Segment] = [
        Segment("light-json", cpu: 8, io: 2, cores: 1, base: 40, each: 0.6),
        Segment("image", cpu: 60, io: 6, cores: 1, base: 90, each: 10),
        Segment("ml", cpu: 140, io: 3, cores: 4, base: 500, each: 24),
        Segment("matrix", cpu: 110, io: 0, cores: 4, base: 80, each: 12),
        Segment("key-read", cpu: 4, io: 25, cores: 2, base: 60, each: 0.8),
        Segment("scan", cpu: 25, io: 60, cores: 2, base: 120, each: 6),
        Segment("file", cpu: 10, io: 40, cores: 1, base: 50, each: 5),
        Segment("crypto", cpu: 35, io: 0, cores: 1, base: 40, each: 1),
        Segment("compress", cpu: 80, io: 12, cores: 2, base: 70, each: 16),
        Segment("html", cpu: 14, io: 4, cores: 1, base: 60, each: 1.5),
        Segment("search", cpu: 28, io: 12, cores: 4, base: 300, each: 4),
        Segment("decompress", cpu: 30, io: 10, cores: 1, base: 60, each: 12),
        Segment("object-read", cpu: 6, io: 45, cores: 1, base: 60, each: 5),
        Segment("object-write", cpu: 9, io: 70, cores: 1, base: 60, each: 8),
        Segment("key-write", cpu: 5, io: 35, cores: 2, base: 60, each: 1),
        Segment("stream", cpu: 22, io: 50, cores: 1, base: 70, each: 3),
    ]
}
