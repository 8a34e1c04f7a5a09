// The encoder's history as bytes.

import Base
import Scaling

extension StateEncoder {
    /// The history (not the profile). Starts with the version of the feature table.
    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        writer.write(isFresh)
        history.encode(into: &writer)
        season.encode(into: &writer)
        model.encode(into: &writer)
        service.encode(into: &writer)
        writer.write(Int64(memoryFloor))
        for value in [
            last.cpu, last.memory, last.preservation, last.latency, last.pending, last.oom, last.throttled,
            last.hpaStep, last.reward, last.backlog, last.io, last.known, last.hpaRatio, last.hasLatency,
        ] { writer.write(value) }
        writer.write(last.vpa)
        writer.write(lastTime)
        writer.write(allocation != nil)
        writer.write(Int64(allocation?.replicas ?? 0))
        writer.write(Int64(allocation?.cpuMillicores ?? 0))
        writer.write(Int64(allocation?.memoryBytes ?? 0))
        for value in [lastUp, lastDown, lastResize, lastCpuChange, lastOom, oomFloor] { writer.write(value) }
        writer.write(violations)
        for lag in 0..<10 { writer.write(latencies[(latencyHead + 10 - lag) % 10]) }
    }

    /// Reads what `encode` wrote; throws on anything else, and on the history of another feature table.
    public init(_ profile: Profile, from reader: inout ByteReader) throws(ByteReader.Failure) {
        self.init(profile)
        let version = try reader.integer(UInt16.self)
        // States of version 2 lack the week, the service's fit and the floor: these begin with what is observed next.
        guard version == Self.version || version == 2 else { throw .malformed }
        let isOld = version == 2
        isFresh = try reader.bool()
        history = try LoadHistory(from: &reader)
        if !isOld { season = try SeasonHistory(from: &reader) }
        model = try WorkloadModel(from: &reader)
        if !isOld {
            service = try ServiceFit(from: &reader)
            memoryFloor = Int(try reader.integer(Int64.self))
        }
        last.cpu = try reader.float()
        last.memory = try reader.float()
        last.preservation = try reader.float()
        last.latency = try reader.float()
        last.pending = try reader.float()
        last.oom = try reader.float()
        last.throttled = try reader.float()
        last.hpaStep = try reader.float()
        last.reward = try reader.float()
        last.backlog = try reader.float()
        last.io = try reader.float()
        last.known = try reader.float()
        if !isOld {
            last.hpaRatio = try reader.float()
            last.hasLatency = try reader.float()
        }
        last.vpa = try reader.double()
        lastTime = try reader.optionalDouble()
        let hasAllocation = try reader.bool()
        let stored = Allocation(
            replicas: Int(try reader.integer(Int64.self)), cpuMillicores: Int(try reader.integer(Int64.self)),
            memoryBytes: Int(try reader.integer(Int64.self)))
        allocation = hasAllocation ? stored : nil
        lastUp = try reader.double()
        lastDown = try reader.double()
        lastResize = try reader.double()
        lastCpuChange = isOld ? lastResize : try reader.double()
        lastOom = try reader.double()
        oomFloor = try reader.double()
        violations = try reader.integer()
        for lag in 0..<10 { latencies[(latencyHead + 10 - lag) % 10] = try reader.float() }
    }
}
