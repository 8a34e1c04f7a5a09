// The names by which a server lets itself be called; others are the sign of a page whose name was pointed here.

/// The allow-list of host names.
struct HostFilter {
    /// In lower case.
    private let names: [[UInt8]]
    private let suffixes: [[UInt8]]

    init(_ patterns: [String]) {
        names = patterns.filter { !$0.hasPrefix("*.") }.map { Array($0.lowercased().utf8) }
        suffixes = patterns.filter { $0.hasPrefix("*.") }.map { Array($0.dropFirst().lowercased().utf8) }
    }

    /// Whether the host of `authority` (a port is ignored) is allowed.
    func allows(_ authority: UnsafeRawBufferPointer) -> Bool {
        guard let host = Authority.host(of: authority) else { return false }
        func ends(in name: [UInt8]) -> Bool { zip(name.reversed(), host.reversed()).allSatisfy { $0 == lowercased($1) } }
        return names.contains { $0.count == host.count && ends(in: $0) }
            || suffixes.contains { $0.count < host.count && ends(in: $0) }
    }
}
