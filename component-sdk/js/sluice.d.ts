/** How the authorisation of an instance stands. */
export type State = "needs_authorization" | "ok" | "expiring" | "needs_reauth" | "revoked";

/** An instance, as the server tells of it. */
export interface Status {
  /** The name that the session has for it. */
  instance: string;
  /** The connector with its version, for example `crm@1.0.0`. */
  connector: string;
  /** `ok` and `expiring` work; `expiring` is refreshed at the next use. */
  state: State;
  /** The provider's own words on the state. */
  reason?: string | null;
  /** Why the last attempt to authorise it came to nothing, if it did. */
  failure?: string | null;
  /** When the access token ends, as in RFC 3339. It is refreshed before that. */
  expires_at?: string | null;
  /** What access was granted. */
  scopes?: string[] | null;
  /** When it was authorised last, as in RFC 3339. Refreshes of its token leave that as it is. */
  authorized_at?: string | null;
  /** When anything of the authorisation changed last, a refresh included, as in RFC 3339. */
  updated_at?: string | null;
}

/** One message that a function emitted. */
export interface Output<T = unknown> {
  /** The port that it left through. */
  port: string;
  /** Its body. */
  body: T;
}

/** The whole answer of an invocation. */
export interface Invoked<T = unknown> {
  /** What the function emitted, in order. */
  outputs: Output<T>[];
  /** Why it failed, if it did. Without `raw` the promise rejects with it. */
  error?: { code: string; message: string; retryable: boolean };
  [more: string]: unknown;
}

/** What each call takes. */
export interface CallOptions {
  /** Calls it off. */
  signal?: AbortSignal;
  /** How long it may take, in milliseconds. */
  timeout?: number;
}

/** What `authorize` takes. The timeout is 15 minutes when absent: as long as the link works. */
export interface AuthorizeOptions extends CallOptions {
  /** Where the provider's pages open; `popup` when absent. */
  window?: "popup" | "tab";
}

/** What `invoke` takes. */
export interface InvokeOptions extends CallOptions {
  /** What the function gets; `{}` when absent. A `File` or `Blob` that is a member of it is sent as a file. */
  input?: unknown;
  /** Further members of the input; they win over those of `input`. */
  variables?: Record<string, unknown>;
  /** Further members of the input, files above all; they win over `variables`. */
  parts?: Record<string, unknown>;
  /** A file for the member `file` of the input. */
  file?: Blob;
  /** What a step's config would be. */
  config?: Record<string, unknown>;
  /** How it is sent: as a form when there is a file, else as JSON. */
  contentType?: "application/json" | "multipart/form-data";
  /** Gives the whole answer rather than the body of the first output. */
  raw?: boolean;
}

/** What a Sluice is made from. */
export interface SluiceOptions {
  /** The URL of Sluice, for example `https://sluice.example.com`. */
  url: string;
  /**
   * The session token, or how to get one from your own backend. The function is called before the first request and
   * again when the server answers 401; the token is held in memory only.
   */
  token: string | (() => string | Promise<string>);
  /** How long one request may take, in milliseconds; 60,000 when absent. */
  timeout?: number;
}

/** Codes that this module gives. */
export type SluiceErrorCode =
  /** The browser opened no window: `authorize` was not called by a click, or popups are forbidden. */
  | "popup_blocked"
  /** The window was closed before the instance was authorised. */
  | "window_closed"
  /** The person or the provider said no. */
  | "refused"
  /** The instance is not authorised in a browser's window. */
  | "unsupported"
  /** It took longer than `timeout`. */
  | "timeout"
  /** The signal fired; `cause` is its reason. */
  | "aborted"
  /** No answer: Sluice is away, or something on the way forbids it. */
  | "network"
  /** The token function failed; `cause` says why. */
  | "token"
  /** What was passed makes no sense. */
  | "bad_input"
  /** The server's answer is not what it should be. */
  | "bad_answer";

/** What every promise of this module rejects with. */
export class SluiceError extends Error {
  constructor(code: string, detail: string, more?: { status?: number; retryAfter?: number | null; cause?: unknown });
  /** One of this module's codes, the server's, such as `A0002`, or `http_502` where a proxy answered. */
  readonly code: SluiceErrorCode | (string & {});
  /** The status of the answer; 0 when there was none. */
  readonly status: number;
  /** A sentence for developers. */
  readonly detail: string;
  /** After how many seconds to try again, if the server said so. */
  readonly retryAfter: number | null;
}

/** One Sluice, seen with one session. */
export class Sluice {
  /** Makes no request. Throws a `SluiceError` when the options make no sense. */
  constructor(options: SluiceOptions);
  /** How the instance stands. */
  status(instance: string, options?: CallOptions): Promise<Status>;
  /** Whether the instance can be used now. */
  isAuthorized(instance: string, options?: CallOptions): Promise<boolean>;
  /**
   * Opens the provider's pages in a window and waits until the person has agreed. Call it in the handler of a click,
   * before anything is awaited, or the browser blocks the window. Calls for the same instance share one window.
   */
  authorize(instance: string, options?: AuthorizeOptions): Promise<Status>;
  /** Ends the authorisation, at the provider too. */
  revoke(instance: string, options?: CallOptions): Promise<Status>;
  /** Calls a function of an instance, written `instance.function`; gives the whole answer. */
  invoke<T = unknown>(name: string, options: InvokeOptions & { raw: true }): Promise<Invoked<T>>;
  /** Calls a function of an instance, written `instance.function`; gives the body of its first output, else null. */
  invoke<T = unknown>(name: string, options?: InvokeOptions): Promise<T | null>;
}
