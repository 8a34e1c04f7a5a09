// What the recommender serves of itself: figures for Prometheus, and probes for the kubelet.

import Foundation
import HTTPServer
import Recommender

/// A small server of its own.
final class RecommendEndpoint: Sendable {
    private let server: Server
    let address: ListenAddress

    init(_ figures: LoopFigures, on text: String) throws {
        var router = Router()
        router.add(.get, "/metrics") { _, response in
            response.contentType = .prometheus
            response.body(Array(figures.text.utf8))
            return .respond
        }
        router.add(.get, "/livez") { _, response in
            response.contentType = .plainText
            response.body("ok\n")
            return .respond
        }
        router.add(.get, "/readyz") { _, response in
            if let problem = figures.problem {
                response.problem(.serviceUnavailable, detail: problem)
            } else {
                response.contentType = .plainText
                response.body("ok\n")
            }
            return .respond
        }
        var options = ServerOptions()
        options.loops = 1
        server = Server(options: options, router: router)
        address = try server.start(on: [ListenAddress(text)])[0]
    }

    func stop() { server.shutdown() }
}
