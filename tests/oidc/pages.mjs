// The pages on which a person signs in and agrees: plain forms, which work without scripts.

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => escapes[c]);

function page(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title>
<h1>${escaped(title)}</h1>
${body}</html>`;
}

/** Anybody may sign in under any name. */
export function login(uid) {
  return page('Sign in', `<form method="post" action="/interaction/${escaped(uid)}/login">
<input name="account" placeholder="any name" required>
<button>Sign in</button></form>`);
}

/** What the client asks for, with a yes and a no. */
export function consent(uid, client, scopes) {
  const items = scopes.map((scope) => `<li>${escaped(scope)}</li>`).join('');
  return page('Grant access', `<p>${escaped(client)} asks for</p><ul>${items}</ul>
<form method="post" action="/interaction/${escaped(uid)}/consent"><button>Agree</button></form>
<form method="post" action="/interaction/${escaped(uid)}/abort"><button>Refuse</button></form>`);
}

/** `form` is the library's own, with `user_code` left to be filled in. */
export function userCode(form, error) {
  const why = error ? `<p>${escaped(error.userCode ? 'The code is wrong' : error.message)}</p>` : '';
  return page('Enter the code', `${why}${form}<button type="submit" form="op.deviceInputForm">Continue</button>`);
}

/** `form` is the library's own; the button `abort` refuses. */
export function confirm(form, client, code) {
  return page('Is this your device?', `<p>${escaped(client)} shows the code <b>${escaped(code)}</b></p>${form}
<button type="submit" form="op.deviceConfirmForm">Continue</button>
<button type="submit" form="op.deviceConfirmForm" name="abort" value="yes">Refuse</button>`);
}

export function done() {
  return page('Done', '<p>Go back to your device.</p>');
}
