// How a policy server runs.

import API
import Agents
import Foundation
import HTTPServer
import Logging
import Scaling
import Store

/// Everything that can be chosen about a server; `Settings` reads it from flags, environment and a file.
public struct ServiceOptions: Sendable {
    public var listen: [ListenAddress] = []
    public var dataFolder = "./aware-data"
    public var durability = Store.Database.Durability.normal
    public var seed: UInt64 = 1
    /// Event loops; one core is left to training.
    public var loops = max(1, ProcessInfo.processInfo.activeProcessorCount - 1)
    /// CPU that learning on may take of an application that is served, in milliseconds an hour.
    public var trainingBudget = 50.0
    /// Whether what serves the nearest workloads is a candidate of a new application.
    public var asksNeighbours = false
    public var trainerThreads = max(1, ProcessInfo.processInfo.activeProcessorCount - 1)
    /// Where the base policy comes from: a file or the address of a server; `nil` is the one that ships with aware.
    public var basePolicy: String?
    /// A token for that server.
    public var basePolicyTokenFile: String?
    /// In a simulation the observations carry the time; in production the machine's clock does.
    public var followsObservedTime = false
    /// What the machine's clock says, in seconds since 1970; for tests that set it.
    public var wallClock: @Sendable () -> Double = { Date().timeIntervalSince1970 }
    public var security = SecurityOptions()
    /// How long decisions and episodes are kept.
    public var retention = Retention()
    /// What all applications together may be given; `nil` is no limit.
    public var capacity: Capacity?
    /// After `/readyz` has begun to fail, how long it goes on serving: until the load balancers know.
    public var drainDelay = Duration.zero
    /// Where the server says what it does. Silent unless somebody asks for it.
    public var log = Logger(label: "aware") { _ in SwiftLogNoOpLogHandler() }

    public init() {}
}

/// Why a server does not start.
public enum StartupError: Error, CustomStringConvertible {
    case noToken([ListenAddress])
    case cannotListen(SocketError)
    case noBasePolicy(String, String)

    public var description: String {
        switch self {
        case .cannotListen(let error):
            "--listen \(error.subject): \(String(cString: strerror(error.errno))). Stop what listens there, or give another address; port 0 takes any free one."
        case .noBasePolicy(let place, let reason):
            "--base-policy \(place): \(reason) Give a file that `aware train` wrote, or the address of a server such as http://aware-0:8080."
        case .noToken(let addresses):
            "Others can reach \(addresses.map { "\($0)" }.joined(separator: ", ")), and there is no token. Make one with `aware token create NAME --scope admin`, listen on 127.0.0.1, or say --insecure to let everyone do everything."
        }
    }
}
