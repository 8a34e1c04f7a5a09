// Repeats a task every few seconds: rests while the tab is hidden, and waits longer after every failure.

const INTERVAL_MS = 3_000;
const WAIT_MS_MAX = 30_000;
/** A refresh may take at most this share of the time, so that a slow or large server is asked less often. */
const BUSY_SHARE = 0.1;

export class Poller {
  #task;
  #report;
  #timer = null;
  #abort = null;
  #failures = 0;

  /** `task(signal)` does one refresh; `report({error, nextAttempt})` hears how it went. */
  constructor(task, report) {
    this.#task = task;
    this.#report = report;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : this.now()));
    globalThis.addEventListener("online", () => this.now());
  }

  /** Runs the task at once, giving up one that is still under way. */
  async now() {
    this.#rest();
    const abort = new AbortController();
    this.#abort = abort;
    const started = performance.now();
    try {
      await this.#task(abort.signal);
      if (abort.signal.aborted) return;
      this.#failures = 0;
      const wait = Math.max(INTERVAL_MS, (performance.now() - started) / BUSY_SHARE);
      this.#next(Math.min(wait, WAIT_MS_MAX), null);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#failures += 1;
      this.#next(this.#backoff(error), error);
    }
  }

  #rest() {
    this.#abort?.abort();
    this.#abort = null;
    clearTimeout(this.#timer);
  }

  #next(wait, error) {
    // A token that is not known will not be known in three seconds: wait for another one.
    if (!document.hidden && error?.status !== 401) this.#timer = setTimeout(() => this.now(), wait);
    this.#report({ error, nextAttempt: Date.now() + wait });
  }

  /** 3, 6, 12, 24, then 30 s, a little apart between tabs; never sooner than the server asked for. */
  #backoff(error) {
    const doubled = Math.min(INTERVAL_MS * 2 ** (this.#failures - 1), WAIT_MS_MAX);
    const asked = (error.retryAfterSeconds ?? 0) * 1000;
    return Math.max(doubled * (0.9 + 0.2 * Math.random()), Math.min(asked, 10 * WAIT_MS_MAX));
  }
}
