// The groups of attacks, in the order in which they run. `told` is the last: it reads what the others made the server write.
import { answers } from "./groups/answers.mjs";
import { api } from "./groups/api.mjs";
import { crowds } from "./groups/crowds.mjs";
import { embed } from "./groups/embed.mjs";
import { files } from "./groups/files.mjs";
import { injection } from "./groups/injection.mjs";
import { mappings } from "./groups/mappings.mjs";
import { oauth } from "./groups/oauth.mjs";
import { redirects } from "./groups/redirects.mjs";
import { routes } from "./groups/routes.mjs";
import { scripts } from "./groups/scripts.mjs";
import { senders } from "./groups/senders.mjs";
import { ssrf } from "./groups/ssrf.mjs";
import { told } from "./groups/told.mjs";
import { webhooks } from "./groups/webhooks.mjs";

export const GROUPS = {
  ssrf,
  redirects,
  injection,
  answers,
  scripts,
  oauth,
  api,
  routes,
  files,
  mappings,
  embed,
  webhooks,
  senders,
  crowds,
  told,
};
