// What the log says of an application's life: the same events that operators are shown, in one line each.

import Logging

extension Logger {
    /// Says nothing: for tests, and for whoever embeds an agent.
    public static var silent: Logger { Logger(label: "aware") { _ in SwiftLogNoOpLogHandler() } }

    /// One line for an event, with its figures.
    func report(_ event: Event, of application: String) {
        let level: Level =
            switch event.kind {
            case "alarm": .warning
            case "judgement": .info
            default: .notice
            }
        var metadata: Metadata = ["application": "\(application)", "reason": "\(event.reason)"]
        if !event.from.isEmpty { metadata["from"] = "\(event.from)" }
        metadata["to"] = "\(event.to)"
        if let episode = event.episode { metadata["episode"] = "\(episode)" }
        for (name, value) in event.figures { metadata[name] = "\(value)" }
        log(level: level, "\(event.kind)", metadata: metadata)
    }
}
