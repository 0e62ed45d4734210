// Has all hooks. What they were called with it says in its output, or leaves in the file that its config names.
const fs = require("fs");

let initialised = false;

exports.startup = async function (cfg) {
  if (cfg.refuse) throw new Error("it cannot be started");
  fs.appendFileSync(cfg.journal, "startup\n");
  return { subscription: 7 };
};

exports.init = async function (cfg) {
  fs.appendFileSync(cfg.journal, "init\n");
  initialised = true;
};

exports.shutdown = async function (cfg, started) {
  if (cfg.stuck) throw new Error("it cannot be shut down");
  fs.appendFileSync(cfg.journal, `shutdown ${JSON.stringify(started)}\n`);
};

exports.process = async function (msg, cfg, snapshot) {
  const count = ((snapshot && snapshot.count) || 0) + 1;
  await this.emit("data", { body: { count, initialised }, data: { count, initialised } });
  await this.emit("snapshot", { count });
};
