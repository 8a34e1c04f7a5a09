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
        ("/compare.js", .javaScript, PackageResources.compare_js),
        ("/control.js", .javaScript, PackageResources.control_js),
        ("/dom.js", .javaScript, PackageResources.dom_js),
        ("/empty.js", .javaScript, PackageResources.empty_js),
        ("/events.js", .javaScript, PackageResources.events_js),
        ("/explain.js", .javaScript, PackageResources.explain_js),
        ("/favicon.svg", .svg, PackageResources.favicon_svg),
        ("/format.js", .javaScript, PackageResources.format_js),
        ("/list.js", .javaScript, PackageResources.list_js),
        ("/live.js", .javaScript, PackageResources.live_js),
        ("/overrides.js", .javaScript, PackageResources.overrides_js),
        ("/poller.js", .javaScript, PackageResources.poller_js),
        ("/scale.js", .javaScript, PackageResources.scale_js),
        ("/spark.js", .javaScript, PackageResources.spark_js),
        ("/steps.js", .javaScript, PackageResources.steps_js),
        ("/style.css", .css, PackageResources.style_css),
        ("/time.js", .javaScript, PackageResources.time_js),
    ]
}
