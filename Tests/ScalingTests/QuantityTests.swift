// Quantities against the Kubernetes documentation and the tables of apimachinery's own tests.

import Scaling
import Testing

@Suite struct QuantityTests {
    @Test(arguments: [
        // kubernetes.io/docs/concepts/configuration/manage-resources-containers: "0.1 is the same as 100m".
        ("0.1", 100), ("100m", 100), ("0.5", 500), ("500m", 500), ("1", 1000), ("1.0", 1000), ("2", 2000),
        ("250m", 250), ("1.5", 1500), ("1k", 1_000_000), ("1e3", 1_000_000), ("1E3", 1_000_000), ("1e-3", 1),
        // Finer than one millicore is rounded up (Quantity.MilliValue).
        ("0.0001", 1), ("1n", 1), ("1u", 1), ("1001u", 2), ("100000001n", 101), ("0.1005", 101),
        ("1.0000000000001", 1001),
        ("0", 0), ("0m", 0), ("0.0", 0), ("+5", 5000), ("5.", 5000), (".5", 500), ("007", 7000), ("1Ki", 1_024_000),
    ]) func readsCPU(_ text: String, _ millicores: Int) {
        #expect(Quantity.millicores(text) == millicores)
    }

    @Test(arguments: [
        // The documentation's example: all about the same value.
        ("128974848", 128_974_848), ("129e6", 129_000_000), ("129M", 129_000_000), ("128974848000m", 128_974_848),
        ("123Mi", 128_974_848),
        // A typical mistake it warns of: 0.4 bytes, rounded up to one.
        ("400m", 1),
        ("512Mi", 536_870_912), ("1G", 1_000_000_000), ("1e9", 1_000_000_000), ("1E9", 1_000_000_000),
        ("1k", 1000), ("1M", 1_000_000), ("1T", 1_000_000_000_000), ("1P", 1_000_000_000_000_000),
        ("1E", 1_000_000_000_000_000_000), ("1Ki", 1024), ("1Gi", 1 << 30), ("1Ti", 1 << 40), ("1Pi", 1 << 50),
        ("1Ei", 1 << 60), ("7Ei", 7 << 60), ("0.5Ei", 1 << 59), ("1.5Gi", 1_610_612_736), ("0.001Ki", 2), ("1.5", 2),
        ("9223372036854775807", .max), ("9.223372036854775807E", .max), ("0.000000000000000000000000000001Ei", 1),
        ("1e+3", 1000), ("12345678901234567890e-10", 1_234_567_891), ("0e99", 0), ("1e-99", 1),
    ]) func readsMemory(_ text: String, _ bytes: Int) {
        #expect(Quantity.bytes(text) == bytes)
    }

    @Test(arguments: [
        "", " ", "1 ", " 1", "m", "Mi", ".", "+", "-1", "-0.5", "1.2.3", "1K", "1ki", "1mi", "1Mib", "1MB", "1i", "1e",
        "1e+", "1e1.5", "1eM", "1Ee3", "0x10", "1_000", "1,5", "NaN", "inf", "१", "1m1", "++1", "1E+", "1ee3", "1kk",
        // Larger than 2^63 - 1.
        "8Ei", "9223372036854775808", "9.3E", "1e19", "1e99", "99999999999999999999999999999999999999999999999",
    ]) func refusesMalformedAndTooLarge(_ text: String) {
        #expect(Quantity.bytes(text) == nil)
        #expect(Quantity.millicores(text) == nil)
    }

    @Test func refusesCoresBeyondAnInteger() {
        #expect(Quantity.millicores("9223372036854775") == 9_223_372_036_854_775_000)
        #expect(Quantity.millicores("9223372036854776") == nil)
    }

    @Test func readsNumbers() {
        #expect(Quantity.millicores(cores: 0.64) == 640)
        #expect(Quantity.millicores(cores: 0.1 + 0.2) == 300)
        #expect(Quantity.millicores(cores: 0.0001) == 1)
        #expect(Quantity.millicores(cores: 0) == 0)
        #expect(Quantity.bytes(1.5) == 2)
        #expect(Quantity.bytes(536_870_912.0) == 536_870_912)
        for bad in [Double.nan, .infinity, -.infinity, -1, 1e30] {
            #expect(Quantity.millicores(cores: bad) == nil)
            #expect(Quantity.bytes(bad) == nil)
        }
    }

    @Test(arguments: [
        (0, "0"), (1, "1m"), (640, "640m"), (1000, "1"), (1500, "1500m"), (2000, "2"), (1_000_000, "1k"),
        (12_000_000, "12k"), (-512, "-512m"),
    ]) func printsCPU(_ millicores: Int, _ text: String) {
        #expect(Quantity.text(millicores: millicores) == text)
    }

    @Test(arguments: [
        (0, "0"), (1, "1"), (1000, "1k"), (1023, "1023"), (1024, "1Ki"), (1025, "1025"), (1536, "1536"), (2048, "2Ki"),
        (536_870_912, "512Mi"), (1 << 30, "1Gi"), (3 << 29, "1536Mi"), (1 << 60, "1Ei"), (1_000_000, "1000000"),
        (Int.max, "9223372036854775807"), (-(512 << 20), "-512Mi"),
    ]) func printsMemory(_ bytes: Int, _ text: String) {
        #expect(Quantity.text(bytes: bytes) == text)
    }

    @Test func whatIsPrintedReadsBackTheSame() {
        var random = SplitMix(seed: 1)
        for _ in 0..<20_000 {
            let value = Int(random.next() >> UInt64(1 + random.below(63)))
            #expect(Quantity.bytes(Quantity.text(bytes: value)) == value)
            #expect(Quantity.millicores(Quantity.text(millicores: value)) == value)
        }
    }

    @Test func neverTrapsOnArbitraryBytes() {
        var random = SplitMix(seed: 2)
        let alphabet = Array("0123456789.eE+-numkKMGTPi x".utf8) + [0, 255]
        var bytes = [UInt8](repeating: 0, count: 50)
        for _ in 0..<200_000 {
            let length = random.below(random.below(4) == 0 ? 50 : 8)
            for index in 0..<length { bytes[index] = alphabet[random.below(alphabet.count)] }
            bytes.withUnsafeBufferPointer {
                let slice = UnsafeBufferPointer(rebasing: $0[..<length])
                let asBytes = Quantity.bytes(utf8: slice)
                let asCPU = Quantity.millicores(utf8: slice)
                if let asBytes { #expect(asBytes >= 0) }
                if let asBytes, let asCPU { #expect(asCPU >= asBytes - 1) }
            }
        }
    }
}
