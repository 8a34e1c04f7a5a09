// Arithmetic of the chart: linear scales, round tick values, trailing means, runs of equal values.

import { isNumber } from "./format.js";

/** A function from `[low, high]` to `[start, end]`. */
export function linear(low, high, start, end) {
  const span = high - low || 1;
  return (value) => start + (value - low) / span * (end - start);
}

/** About `target` round values inside `[low, high]`, at steps of 1, 2 or 5 times a power of ten. */
export function ticks(low, high, target, wholeNumbers = false) {
  const rough = (high - low || 1) / Math.max(1, target);
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  if (wholeNumbers) step = Math.max(1, Math.round(step));
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6 && values.length < 100; i += 1) {
    values.push(Number((i * step).toPrecision(12)));
  }
  return values;
}

/** The mean of each value and those before it, at most `window` of them; null where a value is missing. */
export function trailingMeans(values, window) {
  return values.map((value, i) => {
    if (!isNumber(value)) return null;
    const recent = values.slice(Math.max(0, i - window + 1), i + 1).filter(isNumber);
    return recent.reduce((sum, one) => sum + one, 0) / recent.length;
  });
}

/** Maximal stretches `{value, from, to}` (indices, inclusive) in which `key(item)` stays the same. */
export function runs(items, key) {
  const result = [];
  items.forEach((item, i) => {
    const last = result.at(-1);
    if (last && last.value === key(item)) last.to = i;
    else result.push({ value: key(item), from: i, to: i });
  });
  return result;
}

/** The interval of `values` with a margin of its own span; at least `spanMin` wide. */
export function domain(values, margin, spanMin) {
  const numbers = values.filter(isNumber);
  if (numbers.length === 0) return [0, 1];
  const low = Math.min(...numbers);
  const high = Math.max(...numbers);
  const extra = Math.max((high - low) * margin, (spanMin - (high - low)) / 2);
  return [low - extra, high + extra];
}
