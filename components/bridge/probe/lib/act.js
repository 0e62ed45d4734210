// Does what its input says. One and the same for both families: the input is `body` here and `data` there, and so is what
// is emitted.
const http = require("http");

const say = (value, more) => Object.assign({ body: value, data: value }, more);

/** The first libraries know no promises: their functions emit everything themselves, also their end. */
const OLD = /sailor-1\./.test(process.argv[1]);

exports.process = function (msg, cfg, snapshot, headers, token) {
  const done = act.call(this, msg, cfg, snapshot, headers, token);
  if (!OLD) return done;
  done
    .then((value) => value && this.emit("data", value))
    .catch((error) => this.emit("error", error))
    .then(() => this.emit("end"));
  return undefined;
};

async function act(msg, cfg, snapshot, headers, token) {
  const input = Object.keys(msg.data || {}).length > 0 ? msg.data : msg.body || {};
  switch (input.do) {
    case "echo":
      return say({ input, cfg, snapshot, passthrough: msg.passthrough, flow: process.env.ELASTICIO_FLOW_ID });
    case "many":
      for (let n = 0; n < input.count; n += 1) await this.emit("data", say({ n }));
      return undefined;
    case "careless":
      for (let n = 0; n < input.count; n += 1) this.emit("data", say({ n }));
      return undefined;
    case "fail":
      await this.emit("data", say({ before: true }));
      throw Object.assign(new Error(input.why), input.with);
    case "rebound":
      await this.emit("rebound", new Error(input.why));
      return undefined;
    case "remember":
      await this.emit("updateSnapshot", input.what);
      return say({ remembered: true });
    case "exit":
      process.exit(input.code);
      return undefined;
    case "hang":
      return new Promise(() => {});
    case "large":
      return say({ text: "x".repeat(input.bytes) });
    case "pid":
      await new Promise((resolve) => setTimeout(resolve, input.wait || 0));
      return say({ pid: process.pid, of: input.of });
    case "secret":
      return say({ secret: await secret(), token: Boolean(token) });
    default:
      throw new Error(`nothing is known of ${JSON.stringify(input)}`);
  }
}

/** What the platform says of the secrets of this workspace. */
function secret() {
  const { ELASTICIO_API_URI: api, ELASTICIO_API_USERNAME: user, ELASTICIO_API_KEY: key } = process.env;
  const path = process.env.ELASTICIO_BACKCHANNEL_EXCHANGE ? "/secrets/1" : "/v2/workspaces/1/secrets/1";
  return new Promise((resolve, reject) => {
    http
      .get(`${api}${path}`, { auth: `${user}:${key}` }, (answer) => {
        let text = "";
        answer.on("data", (chunk) => (text += chunk));
        answer.on("end", () => resolve(JSON.parse(text)));
      })
      .on("error", reject);
  });
}
