// Looks after the credentials of an instance, as the first libraries want it and the last ones take it.
module.exports = function (cfg, done) {
  if (cfg.password === "wrong") return done(new Error("the password is wrong"));
  if (cfg.password === "old") return done(null, { verified: false, reason: "the password is too old" });
  if (cfg.password === "crash") process.exit(3);
  return done(null, cfg.password === "odd" ? { name: "Ada" } : { verified: true });
};
