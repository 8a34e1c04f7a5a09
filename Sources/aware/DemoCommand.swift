// `aware demo`: a server, simulated applications, and a recommender between them that uses nothing but the REST API.

import ArgumentParser
import Base
import ClusterModel
import Experiments
import Foundation
import Recommender
import Scaling
import Service

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Serve simulated applications and watch them being learned.",
        discussion: """
            Starts a server, N simulated applications and a recommender that asks the server over HTTP, one step a second \
            of wall-clock time for each simulated minute. With --age it first lives through that many steps without \
            waiting, so that the page has a past to show. With --fast it does not wait for the clock, but for the trainer \
            at the end of each episode, so that a seed always gives the same run.

            With --update the workload of every application changes in mid-run, as an update of it would: watch whether the \
            detector notices, the rules take over and the agent retrains. The changes of stage are printed at the end. \
            Known changes: \(WorkloadUpdate.all.map(\.name).joined(separator: ", ")).
            """)

    @OptionGroup var common: CommonOptions

    @Option(help: "Simulated applications.")
    var applications = 4

    @Option(help: "Decision steps of each application; 100 are an episode. 0: until stopped.")
    var steps = 0

    @Option(help: "Steps at the beginning that do not wait for the clock.")
    var age = 0

    @Option(help: "Load from a file `minute,requests` or `second,requests` instead of the generator.")
    var trace: String?

    @Flag(help: "The summary as one JSON document, the last line of standard output.")
    var json = false

    @Flag(help: "Do not wait for the clock.")
    var fast = false

    @Flag(help: "Learn each application from its own episodes alone, without the base policy that ships with aware.")
    var fromScratch = false

    @Option(help: "Seconds of wall-clock time for a simulated minute, without --fast.")
    var interval = 1.0

    @Option(help: "The owner's trade-off: 0 keeps the most headroom, 1 saves the most.")
    var savings = 0.5

    @Option(help: "A change of every workload, such as memory-demand (see above).")
    var update: String?

    @Option(help: "Step before which --update happens. (default: the middle of --steps)")
    var updateStep: Int?

    func validate() throws {
        guard (1...1000).contains(applications) else {
            throw ValidationError("--applications \(applications) is outside 1 to 1000.")
        }
        guard steps >= 0 else { throw ValidationError("--steps \(steps) is negative.") }
        guard age >= 0 else { throw ValidationError("--age \(age) is negative.") }
        guard steps == 0 || age <= steps else {
            throw ValidationError("--age \(age) is more than there are steps: --steps \(steps).")
        }
        guard !fast || steps > 0 else { throw ValidationError("--fast needs --steps.") }
        if let update, !WorkloadUpdate.all.contains(where: { $0.name == update }) {
            let known = WorkloadUpdate.all.map(\.name).joined(separator: ", ")
            throw ValidationError("--update: there is no change \(update). Known: \(known).")
        }
        guard update == nil || steps > 0 || updateStep != nil else {
            throw ValidationError("--update needs --update-step when --steps is not given.")
        }
        guard (0...1).contains(savings) else { throw ValidationError("--savings \(savings) is outside 0 to 1.") }
        guard updateStep == nil || update != nil else {
            throw ValidationError("--update-step says when --update happens, and there is no --update.")
        }
        guard (updateStep ?? 0) >= 0 else { throw ValidationError("--update-step is negative.") }
        guard interval > 0, interval <= 3600 else {
            throw ValidationError("--interval \(interval) is outside 0 to 3600 s.")
        }
    }

    func run() async throws {
        let signals = await TerminationSignals()
        var options = try common.serviceOptions(defaultData: Self.temporaryFolder(), defaultListen: "127.0.0.1:0")
        options.followsObservedTime = true
        let world = try makeWorld(seed: options.seed)
        let service = try PolicyServer.start(options)
        guard let base = service.urls.first(where: { $0.hasPrefix("http") }) else {
            throw CommandFailure("The demo talks HTTP over TCP; give --listen ADDRESS:PORT.")
        }
        print("page:      \(base)\ndata file: \(service.dataFile)")
        fflush(nil)
        let change = WorkloadUpdate.all.first { $0.name == update }.map { ($0, updateStep ?? steps / 2) }
        let run = DemoLoop(
            world, base: base, steps: steps, age: age, waits: fast ? nil : interval, usesBasePolicy: !fromScratch,
            savings: savings, update: change)
        async let finished: Void = run.onThreadOfItsOwn()
        let interruption = Task {
            await signals.wait()
            run.stop()
        }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await finished)
        } catch {
            outcome = .failure(error)
        }
        interruption.cancel()
        if !json { print(run.summary()) }
        try await service.stop()
        try outcome.get()
        print(json ? run.json() : "Look at it again: aware serve --data \(options.dataFolder)")
    }

    private static func temporaryFolder() -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent(
            "aware-demo-\(ProcessInfo.processInfo.processIdentifier)"
        ).path
    }

    /// Fast runs begin at a fixed time, so that they are the same every day.
    private func makeWorld(seed: UInt64) throws -> [DemoApplication] {
        var random = SimulationRandom(seed: seed)
        // The past of an aged run ends now.
        let startTime = fast ? 1_767_225_600 : Date().timeIntervalSince1970.rounded() - 60 * Double(age)
        let recorded = try trace.map { path in
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw CommandFailure("--trace \(path): the file cannot be read.")
            }
            do {
                return try LoadTrace(name: (path as NSString).lastPathComponent, parsing: Array(bytes))
            } catch {
                throw CommandFailure("--trace \(path): \(error).")
            }
        }
        return try SyntheticApplication.generate(count: applications, seed: seed).enumerated().map {
            index, application in
            let capacity = application.capacity(profile: application.profile)
            let level = LoadLevel.draw(using: &random)
            let offset = random.uniform()
            let load =
                if let recorded {
                    try DemoLoad(trace: recorded, offset: offset, level: level, capacity: capacity)
                } else {
                    DemoLoad(
                        steps: steps > 0 ? steps + 1 : 50_000, seed: random.next(), level: level, capacity: capacity)
                }
            return DemoApplication(
                index: index, application: application, load: load, seed: random.next(), startTime: startTime)
        }
    }
}
