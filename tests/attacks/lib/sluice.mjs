// The operator's API, and what becomes of the container that runs connectors.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

import { send } from "./http.mjs";

const run = promisify(execFile);

/** Sluice, as an operator sees it. */
export class Sluice {
  constructor({ sluice, token }) {
    this.url = sluice;
    this.token = token;
    // A version of a connector never changes, and a second run has other ports.
    this.version = `1.0.${Math.floor(Date.now() / 1000)}`;
  }

  /** Calls the operator's API. */
  call(method, path, body, headers = {}) {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const kind =
      text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const all = { authorization: `Bearer ${this.token}`, ...kind, ...headers };
    return send(this.url, { method, path, headers: all, body: text });
  }

  /** Applies documents, which are objects. */
  async apply(documents, secrets = {}) {
    const files = documents.map((one, n) => ({ name: `${n}.json`, text: JSON.stringify(this.document(one)) }));
    const answer = await this.call("POST", "/api/v1/apply", { files, secrets });
    if (answer.status !== 200) throw new Error(`apply: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  document(one) {
    const { version } = this;
    return one.kind === "connector" ? { sluice: 1, version, title: one.name, ...one } : { sluice: 1, ...one };
  }

  /** Runs an action at once: what `brief` makes of the answer. */
  async invoke(instance, action, input = {}, more = {}) {
    const begun = performance.now();
    const path = `/api/v1/instances/${instance}/invoke/${action}`;
    const answer = await this.call("POST", path, { input, ...more });
    return { ...outcome(answer), millis: Math.round(performance.now() - begun) };
  }

  /** The container of the component `rest`; nothing when there is none. */
  async container() {
    const { json } = await this.call("GET", "/api/v1/deployments");
    const found = json?.items?.find((one) => one.component === "rest" && one.container);
    return found && { name: found.container.name, start: found.container.start, starts: found.starts };
  }

  /** The most memory that the container took, in MiB; nothing where this machine does not run it. */
  async memory() {
    try {
      const { name } = await this.container();
      const { stdout } = await run("docker", ["inspect", "--format", "{{.State.Pid}}", name]);
      return await peak(stdout.trim());
    } catch {
      return null;
    }
  }
}

/** The most resident memory of a process, in MiB. */
export async function peak(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024);
}

/** The resident memory of a process now, in MiB. */
export async function resident(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024);
}

/** What an answer of the API comes to: the status, a code, a few words, and the outputs of an invocation. */
export function outcome({ status, json, text }) {
  const error = json?.error ?? {};
  const code = json?.reason ?? error.code ?? json?.code ?? json?.status ?? null;
  const detail = error.message ?? json?.detail ?? (json?.outputs ? JSON.stringify(json.outputs[0]?.body) : text);
  return {
    status,
    code,
    detail: detail ?? "",
    body: json?.outputs?.[0]?.body,
    outputs: json?.outputs ?? [],
    whole: text,
  };
}
