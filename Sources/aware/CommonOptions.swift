// Options that several commands share. Each is also an environment variable: `--listen` is AWARE_LISTEN.

import API
import ArgumentParser
import Base
import Foundation
import HTTPServer
import Scaling
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

    @Option(
        help: "What a commit survives: normal (a crash of the process) or full (a loss of power). (default: normal)")
    var durability: String?

    @Option(
        help:
            "File of tokens, a line each: NAME SCOPE TOKEN. Tokens made by `aware token` count anyway, and AWARE_TOKENS."
    )
    var tokenFile: String?

    @Flag(help: "Ask callers on this machine for a token, too.")
    var requireToken = false

    @Flag(help: "Ask callers on this machine for no token although there are tokens (a proxy here must add X-Forwarded-For).")
    var trustLoopback = false

    @Option(
        help:
            "Seconds that new connections are still taken after SIGTERM, while /readyz fails already; 0 to 60. (default: 0)"
    )
    var drainDelay: Double?

    @Flag(help: "Let everyone who can reach the server do everything, without a token.")
    var insecure = false

    @Option(
        help:
            "A further name that the server may be called by, such as aware.example.org or *.cluster.local. May be repeated."
    )
    var allowHost: [String] = []

    @Option(help: "Requests a second of one token; 0 is no limit. (default: 10000)")
    var rateLimit: Double?

    @Option(help: "CPU that all applications together may be given, such as 64 or 64000m. (default: no limit)")
    var capacityCpu: String?

    @Option(help: "Memory that all applications together may be given, such as 256Gi. (default: no limit)")
    var capacityMemory: String?

    @Option(
        help:
            "Where time comes from: wall, or observed: the observations' own `time`, for simulators and outside environments (loopback only). (default: wall)"
    )
    var clock: String?

    @Option(help: "How long single decisions are kept, such as 30d or 12h; forever keeps them. (default: 30d)")
    var keepSteps: String?

    @Option(help: "How long episodes are kept. (default: 400d)")
    var keepEpisodes: String?

    @Option(help: "Size of the data file beyond which the oldest decisions go, such as 10GiB, or none. (default: 10GiB)")
    var keepSize: String?

    /// What the flags and the environment say of keeping, or the defaults.
    private func retention() throws -> Retention {
        func seconds(_ text: String?, _ flag: String, _ otherwise: Double?) throws -> Double? {
            guard let text else { return otherwise }
            if text == "forever" { return nil }
            let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
            guard let unit = text.last.flatMap({ units[$0] }), let count = Double(text.dropLast()), count > 0, count < 1e6
            else { throw ValidationError("\(flag) \(text) is not a time such as 30d, 12h, 90m, or forever.") }
            return count * unit
        }
        let standard = Retention()
        var kept = Retention(
            steps: try seconds(keepSteps ?? Self.environment("KEEP_STEPS"), "--keep-steps", standard.steps),
            episodes: try seconds(keepEpisodes ?? Self.environment("KEEP_EPISODES"), "--keep-episodes", standard.episodes),
            size: standard.size)
        if let text = keepSize ?? Self.environment("KEEP_SIZE") {
            let quantity = text.hasSuffix("B") ? String(text.dropLast()) : text
            guard text == "none" || Quantity.bytes(quantity).map({ $0 >= 1 << 20 }) == true else {
                throw ValidationError("--keep-size \(text) is not a size of at least 1MiB such as 10GiB, or none.")
            }
            kept.size = text == "none" ? nil : Quantity.bytes(quantity).map(Int64.init)
        }
        return kept
    }

    /// The service's options from flags, then environment, then defaults.
    func serviceOptions(defaultData: String = "./aware-data", defaultListen: String = "127.0.0.1:8080") throws
        -> ServiceOptions
    {
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
        switch clock ?? Self.environment("CLOCK") ?? "wall" {
        case "wall": break
        case "observed":
            guard options.listen.allSatisfy(\.isLoopback) else {
                throw ValidationError(
                    "--clock observed lets every client set the time, so it goes with a loopback address only, not with --listen \(address)."
                )
            }
            options.followsObservedTime = true
        case let text: throw ValidationError("--clock \(text) is not one of: wall, observed.")
        }
        options.security = try securityOptions()
        options.capacity = try capacity()
        options.retention = try retention()
        if let seconds = try drainDelay ?? Self.number("DRAIN_DELAY") {
            guard (0...60).contains(seconds) else { throw ValidationError("--drain-delay \(seconds) is outside 0 to 60.") }
            options.drainDelay = .milliseconds(Int(seconds * 1000))
        }
        if let text = durability ?? Self.environment("DURABILITY") {
            guard let durability = Store.Database.Durability(rawValue: text) else {
                throw ValidationError("--durability \(text) is not one of: normal, full.")
            }
            options.durability = durability
        }
        return options
    }

    private func capacity() throws -> Capacity? {
        func amount(_ text: String?, _ flag: String, _ parse: (String) -> Int?) throws -> Int? {
            guard let text else { return nil }
            guard let amount = parse(text), amount > 0 else {
                throw ValidationError("\(flag) \(text) is not a positive Kubernetes quantity.")
            }
            return amount
        }
        let cpu = try amount(
            capacityCpu ?? Self.environment("CAPACITY_CPU"), "--capacity-cpu"
        ) { Quantity.millicores($0) }
        let memory = try amount(
            capacityMemory ?? Self.environment("CAPACITY_MEMORY"), "--capacity-memory"
        ) { Quantity.bytes($0) }
        return cpu == nil && memory == nil
            ? nil : Capacity(cpuMillicores: cpu ?? .max, memoryBytes: memory ?? .max)
    }

    private func securityOptions() throws -> SecurityOptions {
        var security = SecurityOptions()
        if let path = tokenFile ?? Self.environment("TOKEN_FILE") { security.tokenFiles = [path] }
        if let text = Self.environment("TOKENS") { security.tokens = try TokenFile.parse(text, source: "AWARE_TOKENS") }
        security.requiresToken = requireToken || Self.environment("REQUIRE_TOKEN") == "true"
        security.trustsLoopback = trustLoopback || Self.environment("TRUST_LOOPBACK") == "true"
        security.isInsecure = insecure || Self.environment("INSECURE") == "true"
        security.allowedHosts =
            allowHost.isEmpty ? Self.environment("ALLOW_HOST")?.split(separator: ",").map(String.init) ?? [] : allowHost
        if let rate = rateLimit {
            guard rate >= 0, rate.isFinite else { throw ValidationError("--rate-limit \(rate) is negative.") }
            security.requestsPerSecond = rate
        }
        return security
    }

    static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment["AWARE_" + name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func number<T: LosslessStringConvertible>(_ name: String) throws -> T? {
        guard let text = environment(name) else { return nil }
        guard let value = T(text) else { throw ValidationError("AWARE_\(name)=\(text) is not a number of this kind.") }
        return value
    }
}
