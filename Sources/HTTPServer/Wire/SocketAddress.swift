// Socket addresses: from text to the kernel's form for binding, and from the kernel's form to a peer for people.

import CLinux
import Glibc

/// Who is at the other end of a connection.
public enum PeerAddress: Sendable, Hashable, CustomStringConvertible {
    /// IPv4 address in host byte order, and port.
    case ipv4(UInt32, port: UInt16)
    /// IPv6 address as two big-endian halves, and port.
    case ipv6(UInt64, UInt64, port: UInt16)
    /// A process on this machine, through a Unix domain socket.
    case unix

    /// 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104 and Unix sockets.
    public var isLoopback: Bool {
        switch self {
        case .ipv4(let address, _): address >> 24 == 127
        case .ipv6(let high, let low, _): high == 0 && (low == 1 || low >> 24 == 0xFFFF7F)
        case .unix: true
        }
    }

    /// The address without the port; the key for limits per peer.
    public var host: String {
        switch self {
        case .ipv4(let a, _): "\(a >> 24).\(a >> 16 & 255).\(a >> 8 & 255).\(a & 255)"
        case .ipv6(let high, let low, _):
            (0..<8).map { String(($0 < 4 ? high : low) >> UInt64(48 - 16 * ($0 % 4)) & 0xFFFF, radix: 16) }
                .joined(separator: ":")
        case .unix: "unix"
        }
    }

    /// The address without the port, as something to count by; of IPv6 the network of 64 bits, since a client commonly
    /// has all of it.
    public var network: PeerAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: 0)
        case .ipv6(let high, let low, _): high == 0 ? .ipv6(high, low, port: 0) : .ipv6(high, 0, port: 0)
        case .unix: .unix
        }
    }

    public var description: String {
        switch self {
        case .ipv4(_, let port): "\(host):\(port)"
        case .ipv6(_, _, let port): "[\(host)]:\(port)"
        case .unix: "unix"
        }
    }
}

/// An address in the kernel's form.
struct SocketAddress {
    var storage = sockaddr_storage()
    var length: socklen_t = 0

    init() {}

    /// A numeric address, or localhost for 127.0.0.1; nil for anything else.
    init?(host: String, port: UInt16) {
        let host = host == "localhost" ? "127.0.0.1" : host
        var four = sockaddr_in()
        var six = sockaddr_in6()
        if inet_pton(AF_INET, host, &four.sin_addr) == 1 {
            four.sin_family = sa_family_t(AF_INET)
            four.sin_port = port.bigEndian
            store(four)
        } else if inet_pton(AF_INET6, host, &six.sin6_addr) == 1 {
            six.sin6_family = sa_family_t(AF_INET6)
            six.sin6_port = port.bigEndian
            store(six)
        } else {
            return nil
        }
    }

    /// A path of at most 107 bytes.
    init?(path: String) {
        var unix = sockaddr_un()
        unix.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= ListenAddress.unixPathBytesMax, !bytes.contains(0) else { return nil }
        withUnsafeMutableBytes(of: &unix.sun_path) { $0.copyBytes(from: bytes) }
        store(unix)
    }

    private mutating func store<Address>(_ address: Address) {
        length = socklen_t(MemoryLayout<Address>.size)
        withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: address, as: Address.self) }
    }

    /// Calls `body` with the pointer that bind, connect and getsockname take.
    mutating func withPointer<Result>(_ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Result) -> Result {
        withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }

    /// The address as a peer.
    var peer: PeerAddress {
        withUnsafeBytes(of: storage) { bytes in
            switch Int32(storage.ss_family) {
            case AF_INET:
                let four = bytes.load(as: sockaddr_in.self)
                return .ipv4(UInt32(bigEndian: four.sin_addr.s_addr), port: UInt16(bigEndian: four.sin_port))
            case AF_INET6:
                let port = UInt16(bigEndian: bytes.load(as: sockaddr_in6.self).sin6_port)
                let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr) ?? 8
                let high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                let low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
                return .ipv6(high, low, port: port)
            default:
                return .unix
            }
        }
    }

    /// The port, 0 for Unix domain sockets.
    var port: UInt16 {
        switch peer {
        case .ipv4(_, let port), .ipv6(_, _, let port): port
        case .unix: 0
        }
    }
}
