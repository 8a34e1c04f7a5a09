// Changes of an application while it is served, after the paper's instability scenarios.

/// What changes, as factors on an application's costs and load. The published scenarios state new input sizes, not
/// new costs; the factors here are chosen so that each moves the resource that its scenario is about.
public struct WorkloadUpdate: Sendable, Equatable {
    public let name: String
    public var cpu = 1.0
    public var io = 1.0
    public var memory = 1.0
    public var load = 1.0

    public init(_ name: String, cpu: Double = 1, io: Double = 1, memory: Double = 1, load: Double = 1) {
        self.name = name
        self.cpu = cpu
        self.io = io
        self.memory = memory
        self.load = load
    }

    /// The eight scenarios of the paper's Figure 3, and the memory growth that hurts specialists most.
    public static let all = [
        WorkloadUpdate("file-size", cpu: 1.1, io: 1.8, memory: 1.3),
        WorkloadUpdate("table-size", cpu: 1.2, io: 1.6),
        WorkloadUpdate("ml-model", cpu: 1.5, memory: 1.4),
        WorkloadUpdate("fp-operations", cpu: 1.7),
        WorkloadUpdate("image-size", cpu: 1.4, memory: 1.4),
        WorkloadUpdate("text-size", cpu: 1.3, memory: 1.2),
        WorkloadUpdate("load-high-to-low", load: 0.4),
        WorkloadUpdate("load-low-to-high", load: 2),
        WorkloadUpdate("memory-demand", memory: 1.5),
    ]
}

extension ServiceModel {
    /// The model after `update` (its load factor is the caller's business).
    public func applying(_ update: WorkloadUpdate) -> ServiceModel {
        var model = self
        model.work *= update.cpu
        model.ioSeconds *= update.io
        model.baseBytes *= update.memory
        model.bytesPerRequest *= update.memory
        return model
    }
}
