// What the SDK needs of a browser's window, and nothing else.

/** A page whose popups the test plays. */
export class Page extends EventTarget {
  /** The windows that were opened: `{ closed, went, features, focused }`. */
  popups = [];
  /** Whether popups are blocked. */
  blocks = false;
  /** Whether the person is at this page. */
  focused = true;
  document = { hasFocus: () => this.focused };

  open(url, target, features) {
    if (this.blocks) return null;
    const popup = {
      opened: [url, target, features],
      closed: false,
      went: null,
      focused: 0,
      close: () => (popup.closed = true),
      focus: () => (popup.focused += 1),
      location: { replace: (to) => (popup.went = to) },
    };
    this.popups.push(popup);
    return popup;
  }

  /** A message as it comes from a window. */
  say(data, { origin, source = this.popups.at(-1) }) {
    this.dispatchEvent(Object.assign(new Event("message"), { data, origin, source }));
  }

  /** Resolves when the popup was sent somewhere. */
  async sent(number = 0) {
    await until(() => this.popups[number]?.went);
    return this.popups[number];
  }
}

/** Resolves when it holds. */
export async function until(holds) {
  const end = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`it does not come to hold: ${holds}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}
