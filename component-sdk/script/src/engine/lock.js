// Takes away what makes code of texts. Runs before any script does.
(() => {
  const refuse = function () { throw new TypeError('code cannot be made of a text here'); };
  refuse.prototype = Function.prototype;
  const kinds = [function () {}, function* () {}, async function () {}, async function* () {}];
  for (const kind of kinds) {
    Object.defineProperty(Object.getPrototypeOf(kind), 'constructor', {
      value: refuse, writable: false, configurable: false, enumerable: false,
    });
  }
  Object.defineProperty(globalThis, 'Function', { value: refuse, writable: false, configurable: false });
  delete globalThis.eval;
})()
