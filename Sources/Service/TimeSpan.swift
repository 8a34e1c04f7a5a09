// Times as people write them: 30d, 12h, 90m, 45s.

public enum TimeSpan {
    /// `nil` for anything but a positive number with a unit.
    public static func seconds(_ text: String) -> Double? {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Double(text.dropLast()), count > 0, count < 1e6 else { return nil }
        return count * unit
    }
}
