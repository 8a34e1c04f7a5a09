// Reads the REST API: one function, a time limit, and errors that say what went wrong in words.

const TIME_LIMIT_MS = 10_000;
const TOKEN_KEY = "aware-token";

/** A failed read. `status` is null when no answer came at all. */
export class ReadError extends Error {
  constructor(message, status = null, retryAfterSeconds = null) {
    super(message);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Keeps a bearer token for this tab only; an empty one forgets it. */
export function setToken(token) {
  if (token) sessionStorage.setItem(TOKEN_KEY, token);
  else sessionStorage.removeItem(TOKEN_KEY);
}

/** The path of an application, `rest` appended. */
export function applicationPath(name, rest = "") {
  return `/v1/applications/${encodeURIComponent(name)}${rest}`;
}

/** The JSON at `path`. The browser revalidates by ETag, so an unchanged answer costs no body. */
export async function read(path, signal) {
  const response = await request(path, signal, "application/json");
  if (!response.ok) throw await failure(response);
  try {
    return await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ReadError("The answer was cut short or is not JSON.", response.status);
  }
}

/** What `/readyz` says: null when ready, otherwise its text. */
export async function notReady(signal) {
  const response = await request("/readyz", signal, "text/plain");
  return response.ok ? null : (await response.text()).trim().slice(0, 200) || `status ${response.status}`;
}

async function request(path, signal, accept) {
  const headers = { Accept: accept };
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  const limit = AbortSignal.timeout(TIME_LIMIT_MS);
  try {
    return await fetch(path, {
      headers, cache: "no-cache", credentials: "omit", signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ReadError(limit.aborted ? `No answer within ${TIME_LIMIT_MS / 1000} s.` : "The server does not answer.");
  }
}

/** Reads the RFC 9457 problem document of an answer that is an error. */
async function failure(response) {
  const problem = await response.json().catch(() => ({}));
  const parts = [problem?.title, problem?.detail].filter((part) => typeof part === "string" && part !== "");
  const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const text = parts.length > 0 ? parts.join(": ") : "The server answered with an error";
  return new ReadError(`${text} (status ${response.status})`, response.status,
    Number.isNaN(retryAfter) ? null : retryAfter);
}
