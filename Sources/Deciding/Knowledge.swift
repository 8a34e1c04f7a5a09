// What an application's history has told of it, for people to see.

import Base
import Scaling

/// `nil` where nothing was measured yet.
public struct Knowledge: Sendable, Equatable {
    /// Core-seconds of a request.
    public var cpuSecondsPerRequest: Double?
    /// The highest CPU utilisation that kept the objective lately, and the lowest that missed it.
    public var keptUtilization: Double?
    public var missedUtilization: Double?
    /// Bytes that a replica uses at the present number of requests in flight, and at the largest one seen.
    public var memoryNow: Int?
    public var memoryFull: Int?
    /// Bytes below which no limit of memory is set.
    public var memoryFloor: Int?
}

extension DecisionCore {
    /// - Parameter time: seconds, the clock of the observations.
    public func knowledge(at time: Double) -> Knowledge {
        var knowledge = Knowledge()
        knowledge.cpuSecondsPerRequest = encoder.model.cost
        if encoder.service.kept > 0 { knowledge.keptUtilization = Double(encoder.service.kept) }
        if encoder.service.missed < 1 { knowledge.missedUtilization = Double(encoder.service.missed) }
        if let prediction = encoder.model.memoryPrediction {
            knowledge.memoryNow = Self.bytes(prediction.now)
            knowledge.memoryFull = Self.bytes(prediction.full)
        }
        let keep = floor.need(at: checker.historyTime ?? time).keep
        if keep > 0 { knowledge.memoryFloor = keep }
        return knowledge
    }

    private static func bytes(_ mebibytes: Double) -> Int { Int(min(max(mebibytes, 0), 1e9)) << 20 }
}
