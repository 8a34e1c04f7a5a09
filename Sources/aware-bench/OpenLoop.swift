// Load at a constant rate: requests leave when they are due, whatever became of those before them.
//
// A generator that waits for answers (wrk) sends less while a server stands still, and so hardly sees that it does. Here
// the time of each answer counts from the moment its request was due, also when all connections were busy then.

import ArgumentParser
import Foundation

struct OpenLoop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open", abstract: "Post decisions at a constant rate and print the times of the answers.")

    @Argument(help: "http://ADDRESS:PORT/ of a server with the applications demo-1, demo-2, ...")
    var url: String

    @Option(help: "Requests a second.")
    var rate = 15_000

    @Option(help: "Connections.")
    var connections = 64

    @Option(help: "Seconds.")
    var seconds = 10

    @Option(help: "Applications that the decisions are spread over.")
    var applications = 20

    @Flag(help: "Ask for dry runs.")
    var dryRun = false

    func run() throws {
        let messages = DecisionLoad(applications: applications, isDryRun: dryRun).messages
        let generator = RequestGenerator(url: url, connections: connections, messages: messages)
        print("rate \(rate) \(try generator.run(rate: rate, count: rate * seconds, seconds: seconds + 5))")
    }
}
