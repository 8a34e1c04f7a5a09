// Every setting of a server, once: --help, the environment, the configuration file, the README's table and the log of a
// start come from this table.

/// One thing that can be set: by a flag, by an environment variable or in a configuration file, under the same name.
public struct Setting: Sendable, Equatable {
    /// As in `--drain-delay`, `AWARE_DRAIN_DELAY` and `drain-delay: 5`.
    public let name: String
    /// What stands for the value in help texts; `nil` for a switch, which is true or false.
    public let value: String?
    /// What holds when nothing is said, as a person would write it.
    public let standard: String
    /// What it does, and what is allowed.
    public let help: String
    /// Never shown.
    public let isSecret: Bool

    private init(_ name: String, _ value: String?, _ standard: String, _ help: String, isSecret: Bool = false) {
        self.name = name
        self.value = value
        self.standard = standard
        self.help = help
        self.isSecret = isSecret
    }

    public static let all: [Setting] = [
        listen, data, seed, loops, durability, tokenFile, tokens, requireToken, trustLoopback, insecure, allowHost,
        rateLimit, capacityCPU, capacityMemory, clock, drainDelay, keepSteps, keepEpisodes, keepSize, trainingBudget,
        neighbours, basePolicy, basePolicyTokenFile, logLevel,
        logFormat,
    ]

    public static let listen = Setting(
        "listen", "ADDRESS", "127.0.0.1:8080", "Where to listen: ADDRESS:PORT or unix:PATH. Port 0 takes any free port.")
    public static let data = Setting(
        "data", "FOLDER", "./aware-data", "Folder of the data file; made when it does not exist.")
    public static let seed = Setting("seed", "N", "1", "Seed of everything random.")
    public static let loops = Setting(
        "loops", "N", "cores - 1, at least 1", "Event loops, one a core that serves; 1 to 64.")
    public static let durability = Setting(
        "durability", "KIND", "normal", "What a commit survives: normal (a crash of the process) or full (a loss of power).")
    public static let tokenFile = Setting(
        "token-file", "FILE", "none",
        "File of tokens, a line each: NAME SCOPE TOKEN. Tokens made by `aware token` count anyway.")
    public static let tokens = Setting(
        "tokens", "LINES", "none",
        "Tokens in the same form; in the environment or the configuration file only, because others can see flags.",
        isSecret: true)
    public static let requireToken = Setting("require-token", nil, "false", "Ask callers on this machine for a token, too.")
    public static let trustLoopback = Setting(
        "trust-loopback", nil, "false",
        "Ask callers on this machine for no token although there are tokens (a proxy here must add X-Forwarded-For).")
    public static let insecure = Setting(
        "insecure", nil, "false", "Let everyone who can reach the server do everything, without a token.")
    public static let allowHost = Setting(
        "allow-host", "NAME", "none",
        "A further name that the server may be called by, such as aware.example.org or *.cluster.local. May be repeated; elsewhere a list with commas."
    )
    public static let rateLimit = Setting(
        "rate-limit", "N", "10000", "Requests a second of one token; 0 is no limit.")
    public static let capacityCPU = Setting(
        "capacity-cpu", "CPU", "no limit", "CPU that all applications together may be given, such as 64 or 64000m.")
    public static let capacityMemory = Setting(
        "capacity-memory", "MEMORY", "no limit", "Memory that all applications together may be given, such as 256Gi.")
    public static let clock = Setting(
        "clock", "KIND", "wall",
        "Where time comes from: wall, or observed: the observations' own `time`, for simulators and outside environments (loopback only)."
    )
    public static let drainDelay = Setting(
        "drain-delay", "SECONDS", "0",
        "Seconds of service after SIGTERM, while /readyz fails and each answer closes its connection; 0 to 60.")
    public static let keepSteps = Setting(
        "keep-steps", "TIME", "30d", "How long single decisions are kept, such as 30d or 12h; forever keeps them.")
    public static let keepEpisodes = Setting("keep-episodes", "TIME", "400d", "How long episodes are kept.")
    public static let keepSize = Setting(
        "keep-size", "SIZE", "10GiB", "Size of the data file beyond which the oldest decisions go, such as 10GiB, or none.")
    public static let trainingBudget = Setting(
        "training-budget", "MS", "50",
        "CPU that learning on may take of an application that is served, in milliseconds an hour; 0 to 10000, 0 for none.")
    public static let neighbours = Setting(
        "neighbours", nil, "false",
        "Judge what serves the two most similar applications as a candidate of a new one, too. Measured, it does not help beside the base policy.")
    public static let basePolicy = Setting(
        "base-policy", "PLACE", "the one that ships",
        "The first candidate of every application: a file that `aware train` wrote, or the address of a server whose base policy to fetch at the start.")
    public static let basePolicyTokenFile = Setting(
        "base-policy-token-file", "FILE", "none", "File with a token of that server.")
    public static let logLevel = Setting(
        "log-level", "LEVEL", "notice", "What the log tells: trace, debug, info, notice, warning, error or critical.")
    public static let logFormat = Setting("log-format", "FORMAT", "text", "How the log is written: text or json.")

    /// Its environment variable.
    public var variable: String { "AWARE_" + String(name.uppercased().map { $0 == "-" ? "_" : $0 }) }

    /// For `--help`: what it does, and what holds otherwise.
    public var helpText: String { value == nil ? help : "\(help) (default: \(standard))" }
}
