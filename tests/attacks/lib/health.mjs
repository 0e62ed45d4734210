// Whether Sluice and the container of the connectors still work.
import { setTimeout as sleep } from "node:timers/promises";

import { send } from "./http.mjs";
import { outcome, peak } from "./sluice.mjs";

/** Installs the connector whose plain calls show that the container works. */
export async function plainConnector(sluice, hostile) {
  await sluice.apply([
    {
      kind: "connector",
      name: "plain",
      http: { base_url: hostile.main.url, timeout_seconds: 5 },
      scripts: { one: { code: "() => ({ plain: true })" } },
      actions: {
        plain: { title: "Plain", request: { path: "/plain" } },
        script: { title: "Script", script: "one" },
      },
    },
    { kind: "instance", name: "plain", connector: "plain" },
  ]);
  await answers(sluice);
}

/** A plain call that works, or did not within a minute and a half. */
export async function answers(sluice, action = "plain") {
  let answer;
  for (let tries = 0; tries < 90; tries += 1) {
    answer = await sluice.invoke("plain", action);
    if (answer.body?.plain === true) return { ...answer, tries };
    await sleep(1000);
  }
  return answer;
}

/** Tells whether the attack that `work` makes left the container as it was: the same one, and it answers. */
export async function survives(sluice, work) {
  const before = await sluice.container();
  const result = await work();
  const answer = await answers(sluice);
  const after = await sluice.container();
  return { result, survived: answer.body?.plain === true && before?.start === after?.start };
}

/** After a group: the server is ready, a plain call and a script work. */
export async function alive({ sluice, attack, settings }) {
  const health = await send(sluice.url, { path: "/healthz" });
  attack("alive", "server", "200", outcome(health), health.status === 200);
  if (health.status !== 200) return false;
  const ready = await send(sluice.url, { path: "/readyz" });
  attack("alive", "ready", "200", outcome(ready), ready.status === 200);
  for (const action of ["plain", "script"]) {
    const answer = await answers(sluice, action);
    attack("alive", action, "an answer", answer, answer.body?.plain === true);
  }
  const memory = await sluice.memory();
  const server = settings.pid ? await peak(settings.pid) : null;
  const said = { status: 200, code: "memory", detail: `connectors ${memory ?? "?"} MiB, server ${server ?? "?"} MiB` };
  attack("alive", "memory", "below 256 MiB for the connectors", said, memory === null || memory < 256);
  return true;
}
