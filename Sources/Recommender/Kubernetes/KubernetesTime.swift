// RFC 3339 times as Kubernetes writes them: `Time` to the second, `MicroTime` to the microsecond.

import Base

enum KubernetesTime {
    /// Seconds since 1970; fractions and offsets are understood.
    static func seconds(_ text: String) -> Double? { Array(text.utf8).withUnsafeBufferPointer(Timestamp.seconds) }

    /// To the second, as conditions carry it.
    static func text(_ seconds: Double) -> String { Timestamp.text(seconds.rounded(.down)) }

    /// To the microsecond, as leases carry it.
    static func microText(_ seconds: Double) -> String {
        let whole = seconds.rounded(.down)
        let micros = String(Int((seconds - whole) * 1e6))
        return text(whole).dropLast() + "." + String(repeating: "0", count: 6 - micros.count) + micros + "Z"
    }
}
