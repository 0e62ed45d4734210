// Tells what its field may hold, and what it takes and emits.
exports.process = async function (msg, cfg) {
  await this.emit("data", { body: { list: cfg.list }, data: { list: cfg.list } });
  if (/sailor-1\./.test(process.argv[1])) this.emit("end");
};

exports.getLists = function (cfg, done) {
  if (cfg.user === "nobody") return done(new Error("nobody has no lists"));
  done(null, { first: `The first list of ${cfg.user}`, second: "The second list" });
};

exports.getMetaModel = function (cfg, done) {
  done(null, { in: { type: "object", properties: { [cfg.list]: {} } }, out: { type: "object" } });
};
