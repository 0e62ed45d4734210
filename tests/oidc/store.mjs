// Where the provider keeps its things: in memory, until the process ends.

/** Everything by "Model:id": `{ model, id, payload, until }`, with `until` in milliseconds since 1970. */
const kept = new Map();

function alive(entry) {
  return entry && (entry.until === undefined || entry.until > Date.now()) ? entry : undefined;
}

/** The entries that `fits` holds for. */
export function all(fits) {
  return [...kept.values()].filter((entry) => alive(entry) && fits(entry));
}

/** Forgets the entries that `fits` holds for; gives how many there were. */
export function forget(fits) {
  const found = all(fits);
  found.forEach(({ model, id }) => kept.delete(`${model}:${id}`));
  return found.length;
}

/** The interface that oidc-provider wants of a store. */
export class Store {
  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload, expiresIn) {
    const until = expiresIn === undefined ? undefined : Date.now() + expiresIn * 1000;
    kept.set(`${this.model}:${id}`, { model: this.model, id, payload, until });
  }

  async find(id) {
    return alive(kept.get(`${this.model}:${id}`))?.payload;
  }

  async findByUid(uid) {
    return all(({ model, payload }) => model === this.model && payload.uid === uid)[0]?.payload;
  }

  async findByUserCode(userCode) {
    return all(({ model, payload }) => model === this.model && payload.userCode === userCode)[0]?.payload;
  }

  async consume(id) {
    const payload = await this.find(id);
    if (payload) payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    kept.delete(`${this.model}:${id}`);
  }

  async revokeByGrantId(grantId) {
    forget(({ payload }) => payload.grantId === grantId);
  }
}
