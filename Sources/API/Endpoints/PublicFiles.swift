// The files of `Public/` as the build embeds them.

import HTTPServer

enum PublicFiles {
    /// Path, type and content of every file.
    static let all: [(path: String, type: ContentType, bytes: [UInt8])] = [
        ("/", .html, PackageResources.index_html),
    ]
}
