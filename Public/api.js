// Talks to the REST API: a time limit, a token, and errors that say what went wrong in words.

const TIME_LIMIT_MS = 10_000;

/** In memory only: it is gone with the tab, and no other page can read it. */
let token = "";

/** A failed read. `status` is null when no answer came at all. */
export class ReadError extends Error {
  constructor(message, status = null, retryAfterSeconds = null) {
    super(message);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Sends this bearer token from now on; an empty one forgets it. */
export function setToken(given) {
  token = given;
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

/** Carries out an act; resolves to the answer's JSON. */
export async function send(method, path, body) {
  const response = await request(path, undefined, "application/json", { method, body: JSON.stringify(body) });
  if (!response.ok) throw await failure(response);
  return response.json();
}

async function request(path, signal, accept, act = {}) {
  const headers = { Accept: accept };
  if (act.body) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  const limit = AbortSignal.timeout(TIME_LIMIT_MS);
  try {
    return await fetch(path, {
      ...act, headers, cache: "no-cache", credentials: "omit", signal: signal ? AbortSignal.any([signal, limit]) : limit,
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
  if (response.status === 401 && token) {
    return new ReadError("That token is not known. Give another one.", 401);
  }
  const details = (Array.isArray(problem?.errors) ? problem.errors : []).map((one) => one?.detail).filter(Boolean);
  if (details.length > 0) parts.splice(1, parts.length, details.join(" "));
  const text = parts.length > 0 ? parts.join(": ") : "The server answered with an error";
  return new ReadError(`${text} (status ${response.status})`, response.status,
    Number.isNaN(retryAfter) ? null : retryAfter);
}
