// What a host application's page does with the SDK. Each answer is shown as JSON.
import { Sluice } from "/sluice.js";

const options = new URLSearchParams(location.search);
const settings = await (await fetch("/settings")).json();
const foreign = options.has("foreign");
const instance = foreign ? settings.foreign : settings.instance;
const shown = document.getElementById("answer");

const sluice = new Sluice({
  url: settings.sluice,
  token: async () => {
    const answer = await fetch(foreign ? "/session?foreign" : "/session", { method: "POST" });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.text();
  },
});

function invoke() {
  const { input, config } = settings;
  const [file] = document.getElementById("file").files;
  return sluice.invoke(`${instance}.${settings.function}`, { input, config, file });
}

const actions = {
  status: () => sluice.status(instance),
  authorize: () => sluice.authorize(instance),
  is_authorized: () => sluice.isAuthorized(instance),
  invoke,
  revoke: () => sluice.revoke(instance),
};

async function show(action) {
  let answer;
  shown.dataset.busy = "yes";
  try {
    answer = { value: (await action()) ?? null };
  } catch ({ name, code, status, detail, cause }) {
    answer = { error: { name, code, status, detail, cause: cause && String(cause) } };
  }
  shown.textContent = JSON.stringify(answer);
  shown.dataset.busy = "no";
}

for (const [id, action] of Object.entries(actions)) document.getElementById(id).onclick = () => show(action);
document.body.dataset.ready = "yes";

// As no page should: without a click.
if (options.has("unasked")) show(actions.authorize);
