// One line for each attack, and how many got through.

/** Longest detail that is printed. */
const DETAIL = 160;

export class Report {
  constructor(only) {
    this.only = only;
    this.counts = {};
    this.failed = 0;
    this.secrets = new Set();
    /** What was tried or left out, as `group/attack`. */
    this.seen = new Set();
  }

  /** Texts that may be in no answer. */
  secret(...texts) {
    for (const text of texts) this.secrets.add(text);
  }

  /** The reporter of one group: `attack(name, variant, expect, answer, ok)` prints a line and counts it. */
  group(group) {
    this.counts[group] = { refused: 0, through: 0, skipped: 0 };
    return (attack, variant, expect, answer, ok) => {
      this.seen.add(`${group}/${attack}`);
      const shown = [...this.secrets].find((secret) => answer?.whole?.includes(secret));
      const good = ok && !shown;
      this.counts[group][good ? "refused" : "through"] += 1;
      if (!good) this.failed += 1;
      const { status, code, detail, millis } = answer ?? {};
      const said = shown ? "the answer shows a secret" : String(detail ?? "");
      const words = { status, code, detail: said.replace(/\s+/g, " ").slice(0, DETAIL), millis };
      print({ group, attack, variant, expect, answer: words, ok: good });
    };
  }

  /** Something that cannot be tried here. */
  skip(group, attack, why) {
    this.counts[group].skipped += 1;
    this.seen.add(`${group}/${attack}`);
    print({ group, attack, skipped: why });
  }

  /** These must have been tried, or left out with a reason. */
  expect(names) {
    for (const name of names) {
      if (this.seen.has(name)) continue;
      this.failed += 1;
      const [group, attack] = name.split("/");
      print({ group, attack, expect: "to be tried: the matrix names it", ok: false });
    }
  }

  end() {
    print({ end: this.counts, ok: this.failed === 0 });
    return this.failed === 0 ? 0 : 1;
  }
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
