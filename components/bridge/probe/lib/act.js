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
      await this.emit(input.event || "updateSnapshot", input.what);
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
    case "late":
      setTimeout(() => this.emit("data", say({ late: input.n })), 3000);
      return undefined;
    case "emit":
      // A message as it is given, or any other event.
      await this.emit(input.event || "data", say(input.body, input.more));
      return undefined;
    case "message":
      return say({ headers: msg.headers, attachments: msg.attachments, passthrough: msg.passthrough });
    case "keys":
      await this.emit("updateKeys", { token: "new" });
      return say({ went: "on" });
    case "throw":
      throw input.what;
    case "twice":
      await this.emit("error", new Error("the first"));
      return say({ after: true });
    case "ask":
      return say(await ask(input));
    case "reply":
      await this.emit("httpReply", { statusCode: input.status, headers: input.headers, body: input.body });
      return say({ answered: true });
    case "answer": {
      // As a component that knows where the answer goes.
      const more = { headers: { "X-EIO-Routing-Key": msg.headers.reply_to, "x-eio-status-code": 201, "x-shop": "eu" } };
      await this.emit("data", say(input.body, more));
      return say({ answered: true });
    }
    case "store": {
      // An attachment in the storage of the platform.
      const own = `${process.env.ELASTICIO_API_URI}/objects/${Math.random()}`;
      const body = process.env.ELASTICIO_BACKCHANNEL_EXCHANGE
        ? { put_url: own, get_url: own }
        : (await ask({ method: "POST", path: "/v2/resources/storage/signed-url" })).body;
      const bytes = Buffer.alloc(input.bytes || 0, "x").toString() || input.text;
      await ask({ method: "PUT", url: body.put_url, body: bytes, headers: { "content-type": "text/plain" } });
      if (input.lose) await ask({ method: "DELETE", url: body.get_url });
      const attachments = { file: { url: body.get_url }, other: { url: "https://files.example.com/a" } };
      await this.emit("data", say({ stored: true }, { attachments }));
      return undefined;
    }
    case "fetch":
      return say((await ask({ url: msg.attachments.file.url })).text);
    case "lighten": {
      // A body that is an object, as the library itself makes them.
      const { body } = await ask({ method: "POST", path: "/objects", bearer: true, body: JSON.stringify(input.body) });
      await this.emit("data", say({}, { headers: { "x-ipaas-object-storage-id": input.id || body.objectId, a: 1 } }));
      return undefined;
    }
    case "secret":
      return say({ secret: await secret(), token: Boolean(token) });
    default:
      throw new Error(`nothing is known of ${JSON.stringify(input)}`);
  }
}

/** Asks the platform, and tells all of its answer. */
function ask({ method = "GET", path, url, body, headers = {}, bearer, anonymous }) {
  const { ELASTICIO_API_URI: api, ELASTICIO_API_USERNAME: user, ELASTICIO_API_KEY: key } = process.env;
  const basic = `Basic ${Buffer.from(`${user}:${key}`).toString("base64")}`;
  const authorization = url || anonymous ? {} : { authorization: bearer ? `Bearer ${key}` : basic };
  return new Promise((resolve, reject) => {
    const options = { method, headers: Object.assign(authorization, headers) };
    const request = http.request(url || `${api}${path}`, options, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => {
        let parsed;
        try {
          parsed = JSON.parse(text);
        } catch (error) {
          parsed = null;
        }
        resolve({ status: answer.statusCode, headers: answer.headers, body: parsed, text });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
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
