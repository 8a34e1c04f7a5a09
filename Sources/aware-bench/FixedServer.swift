// A server with one route that answers with a fixed body: what the HTTP library can do without any decision behind it.

import ArgumentParser
import Glibc
import HTTPServer

struct FixedServer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fixed", abstract: "Serve a fixed body, to be measured or tested from outside.")

    @Option(help: "Where to listen.")
    var listen = "127.0.0.1:0"

    @Option(help: "Event loops.")
    var loops = 1

    @Option(help: "Connections open at once; without it, the server's default.")
    var connectionsMax: Int?

    /// The body that bench/nginx.conf answers with.
    static let body: StaticString = #"{"horizontal":1,"vertical":{"cpuMillicores":0,"memoryBytes":0}}"#

    func run() async throws {
        var router = Router()
        router.add(.get, "/") { _, response in
            response.contentType = .json
            response.body(Self.body)
            return .respond
        }
        router.add(.post, "/") { request, response in
            response.contentType = .octetStream
            response.body { $0.append(request.body) }
            return .respond
        }
        var options = ServerOptions()
        options.loops = loops
        options.connectionsMax = connectionsMax
        options.requestsPerConnectionMax = .max
        let server = Server(options: options, router: router)
        for address in try server.start(on: [ListenAddress(listen)]) { print("http://\(address)/") }
        fflush(nil)
        // Until killed: nothing here is worth ending in order.
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
