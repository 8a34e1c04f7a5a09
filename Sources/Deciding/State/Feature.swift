// The table of the state vector: what each of its 82 values means. Policies are trained on exactly this order.

import Scaling

/// One value of the state vector.
public struct Feature: Sendable {
    public let name: String
    public let meaning: String
}

extension StateEncoder {
    /// Number of the table below, stored with models. Any change of order, meaning or normalisation is a new version.
    public static let version: UInt16 = 3

    /// Length of the vector.
    public static let count = 82

    private static let recencyAt = features.firstIndex { $0.name == "recency.up" }!

    /// How recent the last change of replicas and of a limit is, 0...1 each, in a vector of this version.
    static func recency(in state: UnsafeBufferPointer<Float>) -> (replicas: Float, size: Float) {
        (max(state[recencyAt], state[recencyAt + 1]), state[recencyAt + 2])
    }

    /// Index by index. "Slot" is a minute, or a step where steps are longer. Demand is CPU demand in cores (request
    /// rate times the identified CPU cost of a request, or CPU use where no rate is known), given as the utilisation
    /// it means for the present allocation. Every value is finite and lies in -1...4; unknown ones are 0 unless said.
    public static let features: [Feature] = [
        // The present step.
        Feature(name: "cpu.utilization", meaning: "CPU use over limit, 0...2"),
        Feature(name: "memory.utilization", meaning: "memory use over limit, 0...2"),
        Feature(name: "slo.preservation", meaning: "SP of the reward, 0...1; 1 when unknown"),
        Feature(name: "latency.log", meaning: "ln(objective's measure / objective) / 2, -1...2; above 0 violates it"),
        Feature(name: "replicas.position", meaning: "replicas between the limits, 0...1"),
        Feature(name: "replicas.inverse", meaning: "1 / replicas: what one replica weighs"),
        Feature(name: "cpu.limit", meaning: "CPU limit over its maximum, 0...1"),
        Feature(name: "memory.limit", meaning: "memory limit over its maximum, 0...1"),
        Feature(name: "memory.position", meaning: "ln(memory limit / minimum) / ln(maximum / minimum), 0...1"),
        Feature(name: "replicas.pending", meaning: "share of replicas that are not ready, 0...1"),
        Feature(name: "oom.now", meaning: "OOM kills in this step over replicas, 0...1; at least 0.25 when any"),
        Feature(name: "cpu.throttled", meaning: "share of throttled periods, 0...1"),
        Feature(name: "hpa.step", meaning: "(replicas HPA would ask for at a target of 0.55 - replicas) / 4, -1...4"),
        Feature(name: "reward.previous", meaning: "reward of the previous decision, -1...1"),
        Feature(name: "backlog", meaning: "1 - throughput / request rate, 0...1"),
        Feature(name: "io.utilization", meaning: "the higher of network and I/O utilisation, 0...2"),
        Feature(name: "load.now", meaning: "demand of the current slot, 0...4"),
        Feature(name: "load.ofCapacity", meaning: "demand over what the largest allocation has, 0...2"),
        Feature(name: "metrics.known", meaning: "share of CPU, memory, objective and request rate that were measured"),
        Feature(name: "resize.restarts", meaning: "1 when a change of limits restarts replicas, 0 when it does not"),
        Feature(name: "history.length", meaning: "share of the last 60 slots that were seen, 0...1"),
        // The load's past.
        Feature(name: "load.lag1", meaning: "demand 1 slot ago, 0...4"),
        Feature(name: "load.lag2", meaning: "demand 2 slots ago, 0...4"),
        Feature(name: "load.lag3", meaning: "demand 3 slots ago, 0...4"),
        Feature(name: "load.lag4", meaning: "demand 4 slots ago, 0...4"),
        Feature(name: "load.lag5", meaning: "demand 5 slots ago, 0...4"),
        Feature(name: "load.lag7", meaning: "demand 7 slots ago, 0...4"),
        Feature(name: "load.lag9", meaning: "demand 9 slots ago, 0...4"),
        Feature(name: "load.max10", meaning: "highest demand of 10 slots, 0...4"),
        Feature(name: "load.min10", meaning: "lowest demand of 10 slots, 0...4"),
        Feature(name: "load.mean10", meaning: "mean demand of 10 slots, 0...4"),
        Feature(name: "load.max30", meaning: "highest demand of 30 slots, 0...4"),
        Feature(name: "load.min30", meaning: "lowest demand of 30 slots, 0...4"),
        Feature(name: "load.mean30", meaning: "mean demand of 30 slots, 0...4"),
        Feature(name: "rise.p80", meaning: "80th percentile of rises of demand from slot to slot in 30 slots, 0...2"),
        Feature(name: "rise.p95", meaning: "95th percentile of the same, 0...2"),
        Feature(name: "rise.overTwo", meaning: "largest rise of demand within two slots in 30 slots, 0...2"),
        Feature(name: "load.trend", meaning: "mean demand of the last 3 slots less that of the 3 before, -1...2"),
        Feature(name: "load.max30Fewer", meaning: "load.max30 if there were one replica fewer, 0...4"),
        // Memory.
        Feature(name: "memory.peak1", meaning: "memory peak of the current slot over the limit, 0...4"),
        Feature(name: "memory.peak10", meaning: "the same of 10 slots, 0...4"),
        Feature(name: "memory.peak60", meaning: "the same of 60 slots, 0...4"),
        Feature(name: "oom.recency", meaning: "1 / (1 + minutes since the last OOM kill / 10), 0...1"),
        Feature(
            name: "oom.floor", meaning: "highest limit that OOM kills happened at (halves in 6 h) over the limit, 0...4"
        ),
        Feature(name: "memory.vpa", meaning: "VPA's memory target over the limit, 0...4"),
        Feature(name: "memory.identified", meaning: "memory predicted from requests in flight over the limit, 0...4"),
        Feature(name: "memory.identifiedFull", meaning: "the same at the most requests in flight seen, 0...4"),
        Feature(name: "memory.identifiedDouble", meaning: "the same at twice the present requests in flight, 0...4"),
        Feature(name: "memory.trend", meaning: "memory.peak1 less the mean peak of the 5 slots before, -1...1"),
        // What happened lately.
        Feature(name: "violations10", meaning: "share of the last 10 steps that violated the objective, 0...1"),
        Feature(name: "violations30", meaning: "share of the last 30 steps that did, 0...1"),
        Feature(name: "latency.worst10", meaning: "highest latency.log of the last 10 steps, -1...2"),
        Feature(name: "recency.up", meaning: "1 / (1 + steps since replicas rose / 4), 0...1"),
        Feature(name: "recency.down", meaning: "1 / (1 + steps since replicas fell / 4), 0...1"),
        Feature(name: "recency.resize", meaning: "1 / (1 + steps since a limit changed / 4), 0...1"),
        // What the owner wants and allows.
        Feature(name: "objective.thrift", meaning: "savings with maxViolations in it (`BillObjective.thrift`), 0...1"),
        Feature(name: "replicas.most", meaning: "ln(largest number of replicas) / 5, 0...2"),
        Feature(name: "replicas.ofMost", meaning: "replicas over the largest number, 0...2"),
        Feature(name: "hpa.ratio", meaning: "ln(replicas HPA would ask for at a target of 0.55 / replicas), -1...2"),
        Feature(name: "cpu.size", meaning: "ln(cores of a replica) / 3, -1...2"),
        Feature(name: "cpu.room", meaning: "ln(largest CPU limit / CPU limit) / 3, 0...2"),
        Feature(name: "cpu.mayResize", meaning: "1 when a policy may change the CPU limit now"),
        Feature(name: "memory.price", meaning: "share of memory in a replica's bill, 0...1"),
        Feature(name: "memory.floor", meaning: "memory floor over the limit, 0...4"),
        // The load's longer past.
        Feature(name: "load.max1h", meaning: "highest demand of an hour, 0...4"),
        Feature(name: "load.max3h", meaning: "the same of three hours, 0...4"),
        Feature(name: "load.max6h", meaning: "the same of six hours, 0...4"),
        Feature(name: "load.max24h", meaning: "the same of a day, 0...4"),
        Feature(name: "load.ofMax24h", meaning: "demand over the highest of a day, 0...2"),
        Feature(name: "load.replicas", meaning: "ln(1 + demand in cores over the CPU limit) / 4, 0...2"),
        Feature(name: "day.now", meaning: "demand of this quarter of an hour yesterday, 0...4"),
        Feature(name: "day.next", meaning: "demand of the next quarter of an hour yesterday, 0...4"),
        Feature(name: "day.later", meaning: "highest demand of the two after it, 0...4"),
        Feature(name: "day.error", meaning: "mean |ln(demand / demand a day before)| so far, 0...2; 1 when unknown"),
        Feature(name: "week.next", meaning: "demand of the next quarter of an hour a week ago, 0...4"),
        Feature(name: "week.later", meaning: "highest demand of the two after it, 0...4"),
        Feature(name: "week.error", meaning: "as day.error, for the week"),
        // The service as identified.
        Feature(name: "service.idle", meaning: "latency of an idle replica over the objective, 0...2"),
        Feature(name: "service.bearable", meaning: "demand over what that latency lets replicas bear, 0...4"),
        Feature(name: "service.kept", meaning: "highest utilisation that kept the objective lately, 0...1"),
        Feature(name: "service.missed", meaning: "lowest utilisation that missed it lately, 0...1; 1 when none did"),
        Feature(name: "latency.known", meaning: "1 when the objective's measure is known"),
    ]
}
