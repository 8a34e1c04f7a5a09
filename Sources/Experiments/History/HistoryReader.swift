// A file of the past, whatever wrote it: CSV, an access log, or an answer of Prometheus. The content tells which.

import Foundation

/// One reading of one measure.
public typealias HistoryReading = (time: Double, value: Double)

public enum HistoryReader {
    public enum Format: String, Sendable {
        case csv = "CSV"
        case accessLog = "access log"
        case prometheus = "Prometheus range"
    }

    /// A file's readings.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8 text.
    ///   - measure: what an answer of Prometheus is about; other formats say it themselves.
    public static func read(
        _ bytes: [UInt8], as measure: HistoryMeasure = .requestRate
    ) throws(HistoryError) -> (format: Format, readings: [HistoryMeasure: [HistoryReading]]) {
        guard let first = bytes.first(where: { !$0.isASCIISpace }) else { throw HistoryError("it is empty") }
        if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
            return (.prometheus, [measure: try PrometheusRange.read(bytes, measure)])
        }
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") }.prefix(4096)
        if AccessLog.entry(line) != nil { return (.accessLog, try AccessLog.read(bytes)) }
        return (.csv, try HistoryCSV.read(bytes))
    }
}

extension UInt8 {
    var isASCIISpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}

/// An answer of `/api/v1/query_range`, whole or its `data` alone (prometheus.io/docs/prometheus/latest/querying/api).
enum PrometheusRange {
    private struct Document: Decodable {
        struct Inner: Decodable {
            var resultType: String?
            var result: [Series]
        }
        struct Series: Decodable {
            var values: [Point]
        }
        struct Point: Decodable {
            var time: Double
            var value: Double
            init(from decoder: any Decoder) throws {
                var pair = try decoder.unkeyedContainer()
                time = try pair.decode(Double.self)
                value = Double(try pair.decode(String.self)) ?? .nan
            }
        }
        var error: String?
        var data: Inner?
        var result: [Series]?
    }

    /// Several series are replicas or paths of one application: they are summed, latencies and limits by their maximum.
    static func read(_ bytes: [UInt8], _ measure: HistoryMeasure) throws(HistoryError) -> [HistoryReading] {
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(bytes))
        } catch {
            throw HistoryError(
                "it is JSON, but no answer of Prometheus' /api/v1/query_range: {\"data\": {\"resultType\": \"matrix\", \"result\": […]}} is expected")
        }
        if let error = document.error { throw HistoryError("it is an error of Prometheus: \(error)") }
        let series = document.data?.result ?? document.result ?? []
        guard !series.isEmpty else { throw HistoryError("Prometheus found no series for the query") }
        return combine(series.map { $0.values.map { ($0.time, $0.value) } }, measure)
    }

    static func combine(_ series: [[HistoryReading]], _ measure: HistoryMeasure) -> [HistoryReading] {
        if series.count == 1 { return series[0] }
        var values: [Double: Double] = [:]
        let takesMaximum = measure == .latencySeconds || measure == .cpuLimit || measure == .memoryLimit
        for reading in series.joined() where reading.value.isFinite {
            let before = values[reading.time]
            values[reading.time] =
                takesMaximum ? max(before ?? 0, reading.value) : (before ?? 0) + reading.value
        }
        return values.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }
    }
}

extension HistoryReader {
    /// Several series of one measure as one.
    public static func combine(_ series: [[HistoryReading]], as measure: HistoryMeasure) -> [HistoryReading] {
        PrometheusRange.combine(series, measure)
    }
}
