// The status page: files of `Public/`, compiled into the binary.

import HTTPServer

enum PageRoutes {
    /// Pages load nothing from elsewhere, run nothing inline and are framed by nobody.
    private static let policy: StaticString =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

    static func register(on router: inout Router) {
        for (path, type, bytes) in PublicFiles.all {
            let file = FixedBody(bytes, contentType: type)
            router.add(.get, path) { _, response in
                response.addHeader("Content-Security-Policy", policy)
                response.send(file)
                return .respond
            }
        }
    }
}
