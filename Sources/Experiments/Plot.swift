// Line charts as SVG text, for reports: pure, no file is touched.

/// A chart of one or more lines over numbers.
public struct Plot: Sendable {
    /// One line. Points that are not finite are left out and interrupt it.
    public struct Line: Sendable {
        public var name: String
        public var points: [(x: Double, y: Double)]
        /// Drawn behind the others and thin, for raw values beside their average.
        public var isFaint: Bool
        /// Points without a line between them: a scatter.
        public var isScatter: Bool

        public init(
            name: String, points: [(x: Double, y: Double)], isFaint: Bool = false, isScatter: Bool = false
        ) {
            self.name = name
            self.points = points
            self.isFaint = isFaint
            self.isScatter = isScatter
        }
    }

    public var title: String
    public var xLabel: String
    public var yLabel: String
    public var lines: [Line]
    /// Horizontal lines, such as an optimum or a threshold.
    public var levels: [(name: String, y: Double)]

    private let width = 760.0
    private var height: Double { 360 + 18 * legendRows }
    private var margin: (left: Double, right: Double, top: Double, bottom: Double) {
        (64, 16, 38 + 18 * legendRows, 48)
    }

    /// The first six distinguishable with the common kinds of colour blindness (Okabe and Ito 2008); more lines get
    /// hues all around.
    private func color(_ index: Int) -> String {
        let colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
        return lines.count <= colors.count
            ? colors[index] : "hsl(\(index * 360 / lines.count), 70%, \(index % 2 == 0 ? 40 : 55)%)"
    }

    /// Where each line's name stands: (x, row), wrapped at the right edge by an estimate of the text's width.
    private var legend: [(x: Double, row: Double)] {
        var places: [(x: Double, row: Double)] = []
        var (x, row) = (64.0, 0.0)
        for line in lines {
            let needed = 30 + 6.4 * Double(line.name.count)
            if x > 64, x + needed > width - 16 { (x, row) = (64, row + 1) }
            places.append((x, row))
            x += needed
        }
        return places
    }

    private var legendRows: Double { (legend.last?.row ?? -1) + 1 }

    public init(
        title: String, xLabel: String, yLabel: String, lines: [Line], levels: [(name: String, y: Double)] = []
    ) {
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.lines = lines
        self.levels = levels
    }

    /// The whole SVG document.
    public var svg: String {
        let points = lines.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
        let xTicks = ticks(points.map(\.x))
        let yTicks = ticks(points.map(\.y) + levels.map(\.y).filter(\.isFinite))
        let xScale = scale(xTicks, from: margin.left, to: width - margin.right)
        let yScale = scale(yTicks, from: height - margin.bottom, to: margin.top)
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(text(width)) \(text(height))\" "
                + "font-family=\"sans-serif\" font-size=\"12\" role=\"img\">",
            "<title>\(escaped(title))</title>",
            "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
            label(title, x: margin.left, y: 22, anchor: "start", size: 15),
        ]
        for tick in yTicks {
            let y = yScale(tick)
            parts.append(segment(margin.left, y, width - margin.right, y, style: "stroke=\"#ddd\""))
            parts.append(label(text(tick), x: margin.left - 6, y: y + 4, anchor: "end"))
        }
        for tick in xTicks {
            parts.append(label(text(tick), x: xScale(tick), y: height - margin.bottom + 18, anchor: "middle"))
        }
        parts.append(label(xLabel, x: (margin.left + width) / 2, y: height - 10, anchor: "middle"))
        parts.append(
            "<g transform=\"rotate(-90)\">\(label(yLabel, x: -height / 2, y: 16, anchor: "middle"))</g>")
        for level in levels where level.y.isFinite {
            let y = yScale(level.y)
            parts.append(
                segment(
                    margin.left, y, width - margin.right, y, style: "stroke=\"#555\" stroke-dasharray=\"5 4\""))
            parts.append(label(level.name, x: width - margin.right - 4, y: y - 5, anchor: "end"))
        }
        for (index, line) in lines.enumerated() {
            parts += paths(line, color: color(index), x: xScale, y: yScale)
        }
        for (index, place) in legend.enumerated() {
            let y = 42 + 18 * place.row
            parts.append(
                segment(place.x, y - 4, place.x + 14, y - 4, style: "stroke=\"\(color(index))\" stroke-width=\"4\""))
            parts.append(label(lines[index].name, x: place.x + 18, y: y, anchor: "start"))
        }
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    private func paths(
        _ line: Line, color: String, x: (Double) -> Double, y: (Double) -> Double
    ) -> [String] {
        if line.isScatter {
            return line.points.filter { $0.x.isFinite && $0.y.isFinite }.map {
                "<circle cx=\"\(text(x($0.x)))\" cy=\"\(text(y($0.y)))\" r=\"3\" fill=\"\(color)\" opacity=\"0.6\"/>"
            }
        }
        return line.points.split { !$0.x.isFinite || !$0.y.isFinite }.map { run in
            let points = run.map { "\(text(x($0.x))),\(text(y($0.y)))" }.joined(separator: " ")
            let style = line.isFaint ? "stroke-width=\"1\" opacity=\"0.4\"" : "stroke-width=\"2\""
            return "<polyline fill=\"none\" stroke=\"\(color)\" \(style) points=\"\(points)\"/>"
        }
    }

    private func segment(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, style: String) -> String {
        "<line x1=\"\(text(x1))\" y1=\"\(text(y1))\" x2=\"\(text(x2))\" y2=\"\(text(y2))\" \(style)/>"
    }

    private func label(
        _ content: String, x: Double, y: Double, anchor: String, size: Int = 12, color: String = "#333"
    ) -> String {
        "<text x=\"\(text(x))\" y=\"\(text(y))\" text-anchor=\"\(anchor)\" font-size=\"\(size)\" fill=\"\(color)\">"
            + "\(escaped(content))</text>"
    }

    private func scale(_ ticks: [Double], from start: Double, to end: Double) -> (Double) -> Double {
        let (low, high) = (ticks[0], ticks[ticks.count - 1])
        return { start + ($0 - low) / (high - low) * (end - start) }
    }

    /// Four to eight round numbers that enclose the values: steps of 1, 2 or 5 times a power of ten.
    private func ticks(_ values: [Double]) -> [Double] {
        let low = values.min() ?? 0
        let high = Swift.max(values.max() ?? 1, low + Swift.max(abs(low) * 1e-9, 1e-9))
        var step = 1e-9
        let factors = [2, 2.5, 2]
        var turn = 0
        while (high - low) / step > 6, step < 1e300 {
            step *= factors[turn % 3]
            turn += 1
        }
        let first = (low / step).rounded(.down)
        let last = Swift.max((high / step).rounded(.up), first + 1)
        return stride(from: first, through: last, by: 1).map { $0 * step }
    }

    /// At most three decimals, without trailing zeros.
    private func text(_ value: Double) -> String {
        guard abs(value) < 1e12 else { return "\(value)" }
        let thousandths = (value * 1000).rounded()
        if thousandths == 0 { return "0" }
        let rounded = thousandths / 1000
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }

    private func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}
