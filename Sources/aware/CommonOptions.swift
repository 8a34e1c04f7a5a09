// Options that several commands share. Each is also an environment variable: `--listen` is AWARE_LISTEN.

import ArgumentParser
import Foundation
import HTTPServer
import Service
import Store

struct CommonOptions: ParsableArguments {
    @Option(help: "Where to listen: ADDRESS:PORT or unix:PATH. Port 0 takes any free port. (default: 127.0.0.1:8080)")
    var listen: String?

    @Option(help: "Folder of the data file; made when it does not exist. (default: ./aware-data)")
    var data: String?

    @Option(help: "Seed of everything random. (default: 1)")
    var seed: UInt64?

    @Option(help: "Event loops, one a core that serves. (default: cores - 1, at least 1)")
    var loops: Int?

    @Option(help: "What a commit survives: normal (a crash of the process) or full (a loss of power). (default: normal)")
    var durability: String?

    /// The service's options from flags, then environment, then defaults.
    func serviceOptions(defaultData: String = "./aware-data", defaultListen: String = "127.0.0.1:8080") throws -> ServiceOptions {
        var options = ServiceOptions()
        options.dataFolder = data ?? Self.environment("DATA") ?? defaultData
        let address = listen ?? Self.environment("LISTEN") ?? defaultListen
        do {
            options.listen = [try ListenAddress(address)]
        } catch {
            throw ValidationError("--listen \(address): \(error)")
        }
        if let seed = try seed ?? Self.number("SEED") { options.seed = seed }
        if let loops = try loops ?? Self.number("LOOPS") {
            guard (1...64).contains(loops) else { throw ValidationError("--loops \(loops) is outside 1 to 64.") }
            options.loops = loops
        }
        if let text = durability ?? Self.environment("DURABILITY") {
            guard let durability = Store.Database.Durability(rawValue: text) else {
                throw ValidationError("--durability \(text) is not one of: normal, full.")
            }
            options.durability = durability
        }
        return options
    }

    private static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment["AWARE_" + name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func number<T: FixedWidthInteger>(_ name: String) throws -> T? {
        guard let text = environment(name) else { return nil }
        guard let value = T(text) else { throw ValidationError("AWARE_\(name)=\(text) is not a whole number.") }
        return value
    }
}
