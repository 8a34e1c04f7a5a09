// The files of `Public/` as the build embeds them.

import HTTPServer

enum PublicFiles {
    /// Path, type and content of every file.
    static let all: [(path: String, type: ContentType, bytes: [UInt8])] = [
        ("/", .html, PackageResources.index_html),
        ("/api.js", .javaScript, PackageResources.api_js),
        ("/app.js", .javaScript, PackageResources.app_js),
        ("/application.js", .javaScript, PackageResources.application_js),
        ("/chart.js", .javaScript, PackageResources.chart_js),
        ("/dom.js", .javaScript, PackageResources.dom_js),
        ("/explain.js", .javaScript, PackageResources.explain_js),
        ("/favicon.svg", .svg, PackageResources.favicon_svg),
        ("/format.js", .javaScript, PackageResources.format_js),
        ("/list.js", .javaScript, PackageResources.list_js),
        ("/poller.js", .javaScript, PackageResources.poller_js),
        ("/scale.js", .javaScript, PackageResources.scale_js),
        ("/style.css", .css, PackageResources.style_css),
        ("/time.js", .javaScript, PackageResources.time_js),
    ]
}
