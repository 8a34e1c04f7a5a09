// The names by which a server lets itself be called; others are the sign of a page whose name was pointed here.

/// The allow-list of host names.
struct HostFilter {
    private let names: Set<String>
    private let suffixes: [String]

    init(_ patterns: [String]) {
        names = Set(patterns.filter { !$0.hasPrefix("*.") }.map { $0.lowercased() })
        suffixes = patterns.filter { $0.hasPrefix("*.") }.map { String($0.dropFirst().lowercased()) }
    }

    /// Whether the host of `authority` (a port is ignored) is allowed.
    func allows(_ authority: UnsafeRawBufferPointer) -> Bool {
        guard let host = Authority.host(of: authority) else { return false }
        let name = String(decoding: host, as: UTF8.self).lowercased()
        return names.contains(name) || suffixes.contains { name.hasSuffix($0) && name.utf8.count > $0.utf8.count }
    }
}
