// Kubernetes resource quantities ("250m", "1.5", "512Mi"): read into whole millicores and bytes, printed canonically.
//
// Grammar and rounding: kubernetes/apimachinery pkg/api/resource/quantity.go. A quantity is a decimal number and a
// suffix: decimal SI (n u m k M G T P E), binary SI (Ki Mi Gi Ti Pi Ei) or an exponent (e9, E-3). As there, a value
// finer than the unit asked for is rounded up. Arithmetic is exact: 128-bit integers, never floating point.

import Base

/// Reading and printing of quantities. Every reader answers `nil` for malformed, negative or too large input.
public enum Quantity {
    /// CPU in millicores: "250m" is 250, "1" is 1000, "0.0001" is 1 (rounded up).
    public static func millicores(_ text: String) -> Int? {
        var text = text
        return text.withUTF8 { millicores(utf8: $0) }
    }

    /// The same from UTF-8 bytes, without allocating: the form on the request path.
    public static func millicores(utf8 bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        parse(bytes, scale: 1000)
    }

    /// The same from a number of cores. Noise of binary fractions (0.1 + 0.2) is not rounded up.
    public static func millicores(cores: Double) -> Int? { roundedUp(cores * 1000) }

    /// Memory in bytes: "512Mi" is 536870912, "1G" is 1000000000, "1.5Ki" is 1536.
    public static func bytes(_ text: String) -> Int? {
        var text = text
        return text.withUTF8 { bytes(utf8: $0) }
    }

    /// The same from UTF-8 bytes, without allocating.
    public static func bytes(utf8 bytes: UnsafeBufferPointer<UInt8>) -> Int? { parse(bytes, scale: 1) }

    /// The same from a number of bytes, a fraction rounded up.
    public static func bytes(_ number: Double) -> Int? { roundedUp(number) }

    /// Canonical CPU quantity: 640 is "640m", 2000 is "2", 1,000,000 is "1k".
    public static func text(millicores: Int) -> String {
        let (number, suffix) = parts(millicores: millicores)
        return "\(number)\(suffix)"
    }

    /// The same as a whole number and what stands behind it, for who writes bytes.
    public static func parts(millicores: Int) -> (number: Int, suffix: StaticString) {
        millicores % 1000 == 0 ? decimal(millicores / 1000) : (millicores, "m")
    }

    /// Canonical memory quantity, exact: the largest binary suffix that leaves a whole number. Below 1024 Kubernetes
    /// changes to decimal suffixes ("1k" for 1000), and so does this.
    public static func text(bytes: Int) -> String {
        let (number, suffix) = parts(bytes: bytes)
        return "\(number)\(suffix)"
    }

    /// The same as a whole number and what stands behind it, for who writes bytes.
    public static func parts(bytes: Int) -> (number: Int, suffix: StaticString) {
        guard bytes.magnitude >= 1024 else { return decimal(bytes) }
        let power = min(bytes.trailingZeroBitCount / 10, 6)
        let suffix: StaticString =
            switch power {
            case 0: ""
            case 1: "Ki"
            case 2: "Mi"
            case 3: "Gi"
            case 4: "Ti"
            case 5: "Pi"
            default: "Ei"
            }
        return (bytes >> (10 * power), suffix)
    }

    private static func decimal(_ number: Int) -> (number: Int, suffix: StaticString) {
        var number = number
        var power = 0
        while number != 0, number % 1000 == 0 {
            number /= 1000
            power += 1
        }
        let suffix: StaticString =
            switch power {
            case 0: ""
            case 1: "k"
            case 2: "M"
            case 3: "G"
            case 4: "T"
            case 5: "P"
            default: "E"
            }
        return (number, suffix)
    }

    private static func roundedUp(_ value: Double) -> Int? {
        guard value.isFinite, value >= 0 else { return nil }
        let nearest = value.rounded()
        // 0.64 * 1000 may be 640.0000000000001: within nine decimal digits it is the whole number that was meant.
        let isWhole = (value - nearest).magnitude <= 1e-9 * max(1, nearest)
        return Int(exactly: isWhole ? nearest : value.rounded(.up))
    }

    /// What stands behind the number: a power of ten and a power of two.
    private struct Suffix {
        var decimal = 0
        var binary = 0
    }

    /// The value times `scale`, rounded up.
    private static func parse(_ bytes: UnsafeBufferPointer<UInt8>, scale: UInt128) -> Int? {
        var index = 0
        if index < bytes.count, bytes[index] == UInt8(ascii: "+") { index += 1 }
        var mantissa: UInt128 = 0
        var fractionDigits = 0
        var digits = 0
        var hasPoint = false
        var isTruncated = false
        scan: while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let digit = UInt128(bytes[index] &- UInt8(ascii: "0"))
                digits += 1
                // 2^96 is above every value that fits: further fraction digits only matter for rounding up.
                if mantissa < 1 << 96 {
                    mantissa = mantissa * 10 + digit
                    if hasPoint { fractionDigits += 1 }
                } else if hasPoint {
                    if digit != 0 { isTruncated = true }
                } else {
                    return nil
                }
            case UInt8(ascii: ".") where !hasPoint: hasPoint = true
            default: break scan
            }
            index += 1
        }
        guard digits > 0, let suffix = suffix(UnsafeBufferPointer(rebasing: bytes[index...])) else { return nil }
        if mantissa == 0 { return isTruncated ? 1 : 0 }
        return scaled(
            mantissa, by: scale, decimal: suffix.decimal - fractionDigits, binary: suffix.binary,
            roundUpMore: isTruncated)
    }

    /// `mantissa * scale * 10^decimal * 2^binary`, rounded up; `nil` when it does not fit an `Int`.
    private static func scaled(
        _ mantissa: UInt128, by scale: UInt128, decimal: Int, binary: Int, roundUpMore: Bool
    ) -> Int? {
        let factor = scale << UInt128(binary)
        if decimal == 0, mantissa < 1 << 53 {
            let (product, overflow) = Int(mantissa).multipliedReportingOverflow(by: Int(exactly: factor) ?? .max)
            return overflow ? nil : product
        }
        // 10^38 is the largest power of ten in 128 bits. What is divided by more is below 10^30 * 1000 / 10^39: one
        // unit when rounded up.
        guard decimal >= -38 else { return 1 }
        // The product has 256 bits, the quotient must fit 128: anything else is far beyond an Int.
        let (high, low) = mantissa.multipliedFullWidth(by: factor)
        let divisor = powerOfTen(max(-decimal, 0))
        guard high < divisor else { return nil }
        var (value, rest) = divisor.dividingFullWidth((high, low))
        for _ in 0..<max(decimal, 0) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            value = product
        }
        if rest != 0 || roundUpMore { value += 1 }
        return Int(exactly: value)
    }

    private static func powerOfTen(_ exponent: Int) -> UInt128 {
        var power: UInt128 = 1
        for _ in 0..<exponent { power *= 10 }
        return power
    }

    private static func suffix(_ bytes: UnsafeBufferPointer<UInt8>) -> Suffix? {
        guard let first = bytes.first else { return Suffix() }
        if first == UInt8(ascii: "e")
            || (first == UInt8(ascii: "E") && bytes.count > 1 && bytes[1] != UInt8(ascii: "i"))
        {
            return exponent(UnsafeBufferPointer(rebasing: bytes.dropFirst())).map { Suffix(decimal: $0) }
        }
        let power: Int
        switch first {
        case UInt8(ascii: "K"): power = 1
        case UInt8(ascii: "M"): power = 2
        case UInt8(ascii: "G"): power = 3
        case UInt8(ascii: "T"): power = 4
        case UInt8(ascii: "P"): power = 5
        case UInt8(ascii: "E"): power = 6
        case UInt8(ascii: "k"): return bytes.count == 1 ? Suffix(decimal: 3) : nil
        case UInt8(ascii: "m"): return bytes.count == 1 ? Suffix(decimal: -3) : nil
        case UInt8(ascii: "u"): return bytes.count == 1 ? Suffix(decimal: -6) : nil
        case UInt8(ascii: "n"): return bytes.count == 1 ? Suffix(decimal: -9) : nil
        default: return nil
        }
        if bytes.count == 2, bytes[1] == UInt8(ascii: "i") { return Suffix(binary: 10 * power) }
        // The decimal kilo is a small "k": "1K" is not a quantity.
        return bytes.count == 1 && power > 1 ? Suffix(decimal: 3 * power) : nil
    }

    private static func exponent(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        var index = 0
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative || bytes.first == UInt8(ascii: "+") { index = 1 }
        guard index < bytes.count else { return nil }
        var value = 0
        while index < bytes.count {
            guard case UInt8(ascii: "0")...UInt8(ascii: "9") = bytes[index] else { return nil }
            // No quantity needs an exponent beyond 99; capped, so that leading zeros stay legal and nothing overflows.
            value = min(value * 10 + Int(bytes[index] - UInt8(ascii: "0")), 99)
            index += 1
        }
        return isNegative ? -value : value
    }
}
