// GET /openapi.json: the description of this API, kept in Public/openapi.json and tested against the router.

import HTTPServer

enum OpenAPIRoute {
    static func register(on router: inout Router) {
        let document = FixedBody(PackageResources.openapi_json, contentType: .json)
        router.add(.get, "/openapi.json") { _, response in
            response.send(document)
            return .respond
        }
    }
}

/// The document for those who want it without a server.
public enum OpenAPIDocument {
    public static var bytes: [UInt8] { PackageResources.openapi_json }
}
