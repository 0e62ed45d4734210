// The browser SDK of Sluice: authorise, look at, revoke and call the instances that a session token is good for.
//
// One module without dependencies. The token is held in memory, sent in the Authorization header and nowhere else.
// The types and the public documentation are in sluice.d.ts.

/** How long one request may take, in milliseconds. The server lets a function run for less than that. */
const REQUEST_TIMEOUT = 60_000;
/** How long a person may take to agree: as long as the link works. */
const AUTHORIZE_TIMEOUT = 15 * 60_000;
/** The pauses between two looks at an authorisation grow from the first to the last. */
const FIRST_PAUSE = 500;
const LAST_PAUSE = 3_000;
/** The longest time that timers of browsers can wait. */
const LONGEST = 2 ** 31 - 1;

const WINDOWS = { popup: "popup,width=560,height=720", tab: "" };
const JSON_TYPE = "application/json";
const FORM_TYPE = "multipart/form-data";

/** What went wrong. `code` is either the server's, such as `A0001`, or one of this module's. */
export class SluiceError extends Error {
  constructor(code, detail, { status = 0, retryAfter = null, cause } = {}) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = "SluiceError";
    this.code = code;
    this.detail = detail;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** One Sluice, seen with one session. */
export class Sluice {
  #base;
  #origin;
  #source;
  #token = null;
  #timeout;
  /** The authorisations under way, by instance. */
  #attempts = new Map();

  constructor({ url, token, timeout = REQUEST_TIMEOUT } = {}) {
    const base = parsed(url);
    if (!base || base.username || base.password) {
      throw new SluiceError("bad_input", "url must be the http or https URL of Sluice, without credentials");
    }
    if (typeof token !== "function" && typeof token !== "string") {
      throw new SluiceError("bad_input", "token must be a text or a function that gives one");
    }
    this.#base = base.origin + base.pathname.replace(/\/+$/, "");
    this.#origin = base.origin;
    this.#source = token;
    this.#timeout = timeout;
  }

  async status(instance, options) {
    return this.#send("GET", path(instance), options);
  }

  async isAuthorized(instance, options) {
    return authorized(await this.status(instance, options));
  }

  async revoke(instance, options) {
    return this.#send("POST", path(instance, "revoke"), options, "{}");
  }

  // Not an async function: the window must be opened while the browser still knows of the click.
  authorize(instance, { window: kind = "popup", timeout = AUTHORIZE_TIMEOUT, signal } = {}) {
    try {
      path(instance);
      if (!Object.hasOwn(WINDOWS, kind)) throw new SluiceError("bad_input", "window must be popup or tab");
      if (signal?.aborted) throw aborted(signal);
      let attempt = this.#attempts.get(instance);
      if (attempt) attempt.popup.focus?.();
      else attempt = this.#begin(instance, open(kind));
      return this.#join(instance, attempt, timeout, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async invoke(name, options = {}) {
    const dot = String(name).indexOf(".");
    if (dot < 0) throw new SluiceError("bad_input", "what to invoke is written as instance.function");
    const target = path(name.slice(0, dot), "invoke", name.slice(dot + 1));
    const answer = await this.#send("POST", target, options, content(options));
    if (!Array.isArray(answer?.outputs)) throw new SluiceError("bad_answer", "the answer has no outputs", { status: 200 });
    if (options.raw) return answer;
    if (answer.error) throw new SluiceError(answer.error.code ?? "failed", answer.error.message ?? "it failed", { status: 200 });
    return answer.outputs[0]?.body ?? null;
  }

  /** Starts an authorisation in a window. */
  #begin(instance, popup) {
    const stop = new AbortController();
    const attempt = { popup, stop, callers: 0, done: this.#authorize(instance, popup, stop.signal) };
    attempt.done.then(
      () => popup.close(),
      // After a refusal the window says why, for a person to read.
      ({ code }) => code === "refused" || popup.close(),
    );
    this.#attempts.set(instance, attempt);
    return attempt;
  }

  /** Waits as long as this caller wants to. The authorisation ends with its last caller. */
  async #join(instance, attempt, timeout, signal) {
    const limit = limited(signal, timeout);
    attempt.callers += 1;
    try {
      return await unless(limit.signal, attempt.done);
    } finally {
      limit.end();
      attempt.callers -= 1;
      if (attempt.callers === 0) {
        this.#attempts.delete(instance);
        attempt.stop.abort(aborted(attempt.stop.signal));
      }
    }
  }

  async #authorize(instance, popup, signal) {
    const [before, link] = await Promise.all([
      this.status(instance, { signal }),
      this.#send("POST", path(instance, "authorize"), { signal }, "{}"),
    ]);
    if (popup.closed) throw closed();
    // Anything else, a javascript: URL above all, would run with the rights of the page.
    const url = parsed(link?.url);
    if (!url) return this.#without(instance, link, signal);
    popup.location.replace(url.href);
    return this.#watch(instance, popup, before, signal);
  }

  /** Where no window is needed, as with client credentials, the instance is authorised by now. */
  async #without(instance, link, signal) {
    const status = link?.url ? null : await this.status(instance, { signal });
    if (status && authorized(status)) return status;
    throw new SluiceError("unsupported", "this instance is not authorised in a browser's window");
  }

  /** Looks until the instance has a new authorisation, or the window is gone without one. */
  async #watch(instance, popup, before, signal) {
    const bell = listen(popup, this.#origin, signal);
    let pause = FIRST_PAUSE;
    let wasClosed = false;
    let refused = false;
    try {
      for (;;) {
        const hint = await bell.wait(pause);
        refused ||= hint === "sluice:refused";
        const isClosed = gone(popup);
        const { status, hold } = await this.#look(instance, signal);
        if (status && authorized(status) && renewed(before, status)) return status;
        if (status && refused) throw new SluiceError("refused", status.failure ?? status.reason ?? "the authorisation was refused");
        // The second look gives the server time to finish what the window brought back last.
        if (status && isClosed && wasClosed) throw closed();
        pause = Math.max(hold, isClosed || hint ? FIRST_PAUSE : Math.min(pause * 1.5, LAST_PAUSE));
        wasClosed = isClosed;
      }
    } finally {
      bell.end();
    }
  }

  /** The status, or how long to hold on when the server cannot say now. */
  async #look(instance, signal) {
    try {
      return { status: await this.status(instance, { signal }), hold: 0 };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const passing = ["network", "timeout"].includes(error.code) || [408, 429].includes(error.status);
      if (!passing && error.status < 500) throw error;
      return { status: null, hold: (error.retryAfter ?? 0) * 1000 };
    }
  }

  /** Sends a request; `body` is JSON or a form. With another token once, when the first is refused. */
  async #send(method, target, { signal, timeout = this.#timeout } = {}, body) {
    const limit = limited(signal, timeout);
    try {
      const request = {
        method,
        body,
        // A form's content type has its boundary, which the browser writes.
        headers: { accept: JSON_TYPE, ...(typeof body === "string" && { "content-type": JSON_TYPE }) },
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: limit.signal,
      };
      const first = this.#current();
      let response = await this.#fetch(target, request, await unless(limit.signal, first));
      if (response.status === 401 && typeof this.#source === "function") {
        await response.body?.cancel();
        if (this.#token === first) this.#token = null;
        response = await this.#fetch(target, request, await unless(limit.signal, this.#current()));
      }
      return await answer(response);
    } catch (error) {
      if (limit.signal.aborted) throw limit.signal.reason;
      if (error instanceof SluiceError) throw error;
      throw new SluiceError("network", "Sluice cannot be reached", { cause: error });
    } finally {
      limit.end();
    }
  }

  #fetch(target, request, token) {
    return fetch(this.#base + target, { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } });
  }

  /** The promise of a token: the same for all requests until the server refuses it. */
  #current() {
    if (this.#token) return this.#token;
    const asked = ask(this.#source);
    this.#token = asked;
    asked.catch(() => {
      if (this.#token === asked) this.#token = null;
    });
    return asked;
  }
}

async function ask(source) {
  try {
    const token = typeof source === "function" ? await source() : source;
    // Only what a header can carry.
    if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) throw new TypeError("not a token");
    return token;
  } catch (error) {
    throw new SluiceError("token", "no session token could be had", { cause: error });
  }
}

const authorized = ({ state } = {}) => state === "ok" || state === "expiring";
const renewed = (before, now) => !authorized(before) || before.authorized_at !== now.authorized_at;
const aborted = (signal) => new SluiceError("aborted", "it was called off", { cause: signal.reason });
const closed = () => new SluiceError("window_closed", "the window was closed before the instance was authorised");

function path(...parts) {
  const wrong = parts.some((part) => typeof part !== "string" || /^\.{0,2}$/.test(part));
  if (wrong) throw new SluiceError("bad_input", "a name is missing or malformed");
  return ["/embed/v1/instances", ...parts.map(encodeURIComponent)].join("/");
}

/** The URL, if it is one of the web. */
function parsed(text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url?.protocol === "https:" || url?.protocol === "http:" ? url : null;
}

function open(kind) {
  const popup = globalThis.window?.open?.("about:blank", "_blank", WINDOWS[kind]);
  if (!popup || popup.closed) {
    throw new SluiceError("popup_blocked", "the browser did not open a window; authorize has to be called by a click");
  }
  return popup;
}

/** Whether a person closed the window. A provider may cut a window off from the page that opened it
 *  (Cross-Origin-Opener-Policy), and then it seems closed while it is used: but then this page is without focus. */
function gone(popup) {
  return popup.closed && (window.document?.hasFocus?.() ?? true);
}

/** Wakes a waiting loop when the window says something, or the person is back. What it says is only a hint. */
function listen(popup, origin, signal) {
  let hint = null;
  let rung = false;
  let wake = () => {};
  const ring = () => {
    rung = true;
    wake();
  };
  const hear = (event) => {
    if (event.origin !== origin || event.source !== popup) return;
    const type = event.data?.type;
    if (type !== "sluice:authorized" && type !== "sluice:refused") return;
    hint = type;
    ring();
  };
  window.addEventListener("message", hear);
  window.addEventListener("focus", ring);
  return {
    async wait(pause) {
      const over = rung ? Promise.resolve() : new Promise((resolve) => (wake = resolve));
      const timer = setTimeout(() => wake(), Math.min(pause, LONGEST));
      try {
        await unless(signal, over);
      } finally {
        clearTimeout(timer);
      }
      const heard = hint;
      rung = false;
      hint = null;
      return heard;
    },
    end() {
      window.removeEventListener("message", hear);
      window.removeEventListener("focus", ring);
    },
  };
}

/** A signal that fires with the caller's, or when the time is over. */
function limited(signal, timeout) {
  const controller = new AbortController();
  const late = () => controller.abort(new SluiceError("timeout", `it took longer than ${timeout} ms`));
  const timer = timeout <= LONGEST ? setTimeout(late, timeout) : undefined;
  const stop = () => controller.abort(signal.reason instanceof SluiceError ? signal.reason : aborted(signal));
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    },
  };
}

/** What the promise gives, if it does before the signal fires. */
function unless(signal, promise) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

async function answer(response) {
  const { status } = response;
  const body = await response.json().catch((error) => {
    if (error instanceof SyntaxError) return null;
    throw error;
  });
  if (response.ok && body !== null) return body;
  if (response.ok) throw new SluiceError("bad_answer", "the answer is not JSON", { status });
  const detail = body?.detail ?? body?.title ?? `the server answered with status ${status}`;
  const retryAfter = seconds(body?.retry_after ?? response.headers.get("retry-after"));
  throw new SluiceError(body?.code ?? `http_${status}`, detail, { status, retryAfter });
}

/** Seconds from now, of a number or a date (RFC 9110, section 10.2.3). */
function seconds(value) {
  if (value === null || value === undefined || value === "") return null;
  const number = Number(value);
  const left = Number.isNaN(number) ? (Date.parse(value) - Date.now()) / 1000 : number;
  return Number.isNaN(left) ? null : Math.max(0, Math.ceil(left));
}

/** The body of an invocation: JSON, or a form as soon as there is a file. */
function content({ input, variables, parts, file, config, contentType }) {
  const merged = merge(input, { ...variables, ...parts, ...(file === undefined ? {} : { file }) });
  const isObject = merged !== null && typeof merged === "object" && !Array.isArray(merged);
  const files = isObject ? Object.entries(merged).filter(([, value]) => value instanceof Blob) : [];
  const type = contentType ?? (files.length ? FORM_TYPE : JSON_TYPE);
  if (type === JSON_TYPE && files.length) throw new SluiceError("bad_input", "a file needs a form");
  if (type === JSON_TYPE) return written({ input: merged, config });
  if (type !== FORM_TYPE) throw new SluiceError("bad_input", `contentType must be ${JSON_TYPE} or ${FORM_TYPE}`);
  const names = new Set(files.map(([name]) => name));
  if (names.has("request")) throw new SluiceError("bad_input", "a file cannot have the name request");
  const rest = isObject ? Object.fromEntries(Object.entries(merged).filter(([name]) => !names.has(name))) : merged;
  const form = new FormData();
  form.append("request", written({ input: rest, config }));
  for (const [name, blob] of files) form.append(name, blob, blob.name ?? name);
  return form;
}

function merge(input = {}, more) {
  if (Object.keys(more).length === 0) return input;
  if (input === null || typeof input !== "object" || Array.isArray(input) || input instanceof Blob) {
    throw new SluiceError("bad_input", "variables, parts and file need an input that is an object");
  }
  return { ...input, ...more };
}

function written(request) {
  // JSON would make an empty object of a file, without a word.
  const plain = (name, value) => {
    if (value instanceof Blob) throw new TypeError(`${name} is a file, and not a member of the input itself`);
    return value;
  };
  try {
    return JSON.stringify(request, plain);
  } catch (error) {
    throw new SluiceError("bad_input", `the input cannot be sent: ${error.message}`, { cause: error });
  }
}
