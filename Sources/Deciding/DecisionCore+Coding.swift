// The stored form of what an application's decisions depend on.

import Base
import Scaling

extension DecisionCore {
    /// The history (not the profile and the rules' options).
    public func encode(into writer: inout ByteWriter) {
        writer.write(memory)
        writer.write(Int32(clamping: configuredCpu ?? -1))
        checker.encode(into: &writer)
        guards.encode(into: &writer)
        rules.encode(into: &writer)
        encoder.encode(into: &writer)
        floor.encode(into: &writer)
    }

    /// Reads what `encode` wrote.
    ///
    /// - Parameters:
    ///   - lastAnswer, lastCurrent: stored beside it.
    /// - Throws: `ByteReader.Failure` on anything else; the core is then as it was.
    public mutating func decode(
        from reader: inout ByteReader, lastAnswer: Allocation?, lastCurrent: Allocation?
    ) throws(ByteReader.Failure) {
        var core = self
        core.memory = try reader.floats()
        let cpu = Int(try reader.integer(Int32.self))
        core.configuredCpu = cpu > 0 ? cpu : nil
        core.checker = try ObservationChecker(from: &reader)
        core.guards = try GuardState(from: &reader)
        core.rules = try Rules(profile, from: &reader)
        core.encoder = try StateEncoder(profile, from: &reader)
        // States before the floor end here: it begins with what is observed next.
        if !reader.isAtEnd { core.floor = try MemoryFloor(from: &reader) }
        core.lastAnswer = lastAnswer
        core.lastCurrent = lastCurrent
        core.configureRules()
        self = core
    }

    /// After a restart: what was answered then, and the hidden state that was stored with it.
    public mutating func resume(after answer: Allocation, memory: [Float]) {
        lastAnswer = answer
        self.memory = memory
    }
}
