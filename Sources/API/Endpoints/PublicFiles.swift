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
        ("/guide", .html, PackageResources.guide_html),
        ("/guide-api.js", .javaScript, PackageResources.guide_api_js),
        ("/guide.css", .css, PackageResources.guide_css),
        ("/guide.js", .javaScript, PackageResources.guide_js),
        ("/guide/api", .html, PackageResources.guide_api_html),
        ("/guide/concepts", .html, PackageResources.guide_concepts_html),
        ("/guide/decisions", .html, PackageResources.guide_decisions_html),
        ("/guide/developers", .html, PackageResources.guide_developers_html),
        ("/guide/evaluation", .html, PackageResources.guide_evaluation_html),
        ("/guide/kubernetes", .html, PackageResources.guide_kubernetes_html),
        ("/guide/operating", .html, PackageResources.guide_operating_html),
        ("/guide/paper", .html, PackageResources.guide_paper_html),
        ("/guide/profile", .html, PackageResources.guide_profile_html),
        ("/guide/scaling", .html, PackageResources.guide_scaling_html),
        ("/guide/security", .html, PackageResources.guide_security_html),
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

    /// The file's name in `Public/`: pages have addresses without an ending.
    static func name(of path: String) -> String {
        if path == "/" { return "index.html" }
        let name = path.dropFirst()
        return name.contains(".") ? String(name) : name.replacing("/", with: "-") + ".html"
    }
}
