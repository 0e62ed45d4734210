// Counts on from what it remembers.
exports.process = async function (msg, cfg, snapshot) {
  const old = /sailor-1\./.test(process.argv[1]);
  const count = ((snapshot && snapshot.count) || 0) + 1;
  await this.emit("data", { body: { count }, data: { count } });
  await this.emit("snapshot", { count, since: (snapshot && snapshot.since) || "first" });
  if (old) this.emit("end");
};
