// The groups of attacks, in the order in which they run.
import { answers } from "./groups/answers.mjs";
import { api } from "./groups/api.mjs";
import { embed } from "./groups/embed.mjs";
import { injection } from "./groups/injection.mjs";
import { oauth } from "./groups/oauth.mjs";
import { redirects } from "./groups/redirects.mjs";
import { scripts } from "./groups/scripts.mjs";
import { ssrf } from "./groups/ssrf.mjs";
import { webhooks } from "./groups/webhooks.mjs";

export const GROUPS = { ssrf, redirects, injection, answers, scripts, oauth, api, embed, webhooks };
