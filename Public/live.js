// Tells the page of events as they happen. Where the stream cannot be had (a token is needed, which an EventSource cannot
// send), the page goes on asking every few seconds.

const PAUSE_MS = 1_000;

/** Calls `happened()` soon after each event of the server, at most once a second. */
export function listen(happened) {
  let timer = null;
  const stream = new EventSource("/v1/events");
  const soon = () => { timer ??= setTimeout(() => { timer = null; happened(); }, PAUSE_MS); };
  for (const kind of ["transition", "alarm", "judgement", "calibration", "promotion", "control", "import", "damage", "loss"]) {
    stream.addEventListener(kind, soon);
  }
  // The browser tries again by itself, but not after a refusal; and a tab that nobody sees needs no stream.
  stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) stream.close(); };
  addEventListener("pagehide", () => stream.close());
  return stream;
}
