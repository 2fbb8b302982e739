// What every page shares: toasts, announcements, requests that change something, dialogs.

const toasts = document.getElementById("toasts");
const announcer = document.getElementById("announcer");

/** Shows words for some seconds and reads them out; `error` ones stay until closed. `action` is {label, run}. */
export function toast(words, { error = false, action = null } = {}) {
  if (error && [...toasts.children].some((box) => box.firstChild.textContent === words)) return; // still there
  const box = document.createElement("div");
  box.className = error ? "toast bad" : "toast";
  const text = document.createElement("span");
  text.textContent = words;
  box.append(text);
  const close = () => box.remove();
  if (action) box.append(button(action.label, "toast-action", () => { close(); action.run(); }));
  box.append(button("×", "toast-close", close, toasts.dataset.close));
  toasts.append(box);
  if (!error) setTimeout(close, action ? 9000 : 5000);
}

function button(words, name, run, label) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = name;
  made.textContent = words;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", run);
  return made;
}

/** Reads words out without showing them. */
export function announce(words) {
  announcer.textContent = "";
  setTimeout(() => { announcer.textContent = words; }, 50);
}

/** The token as it is now: who signs in again, in another tab, gets another one. */
export function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";
}

/** Whether `answer`, a Response or an XMLHttpRequest, is what those get who are signed out: mostly the sign-in page. */
export function isSignedOut({ status, url, responseURL }) {
  return status === 401 || new URL(url ?? responseURL, location.href).pathname === toasts.dataset.signIn;
}

const whyFailed = (answer) => toasts.dataset[isSignedOut(answer) ? "signedOut" : "failed"];

/** The answer to a request. Throws an Error with the reason. */
export async function request(address, { headers, ...options } = {}) {
  const stated = { Accept: "application/json", ...headers };
  const response = await fetch(address, { ...options, headers: stated }).catch(() => Response.error());
  const isJson = response.headers.get("Content-Type")?.includes("json");
  const answer = isJson ? await response.json() : await response.text();
  if (response.ok && !isSignedOut(response)) return answer;
  throw new Error((isJson && (answer.detail || answer.error)) || whyFailed(response));
}

/** The answer to a POST of `data` (an object, which goes as JSON, or a FormData). Throws an Error with the reason. */
export function post(address, data = {}) {
  const isForm = data instanceof FormData;
  const headers = { "X-CSRFToken": csrfToken() };
  if (!isForm) headers["Content-Type"] = "application/json";
  return request(address, { method: "POST", body: isForm ? data : JSON.stringify(data), headers });
}

// The server asks for a toast with the header HX-Trigger: {"toast": "words"}.
document.body.addEventListener("toast", (event) => toast(event.detail.value ?? event.detail));

// The token in a form is as old as the page.
document.body.addEventListener("htmx:configRequest", ({ detail }) => {
  detail.formData.delete("csrfmiddlewaretoken");
  detail.headers["X-CSRFToken"] = csrfToken();
});

// The sign-in page takes no part's place: what was typed there would be lost.
document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (isSignedOut(detail.xhr)) Object.assign(detail, { shouldSwap: false, isError: true });
});
for (const name of ["htmx:responseError", "htmx:sendError"]) {
  document.body.addEventListener(name, ({ detail }) => toast(whyFailed(detail.xhr), { error: true }));
}

// <button data-opens="ID"> opens the <dialog id="ID">; <button data-closes> closes the one that it is in.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  event.target.closest("[data-closes]")?.closest("dialog").close();
});

// <form data-confirm="Really?"> asks before it is sent.
document.addEventListener("submit", (event) => {
  const words = event.target.dataset.confirm;
  if (words && !window.confirm(words)) event.preventDefault();
}, true);

// <select data-submits> sends its form when another value is chosen.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

// "/" goes to the search box, "?" tells what keys do, unless somebody is writing.
const BY_KEY = { "/": ["q", (box) => box.focus()], "?": ["keys", (dialog) => dialog.open || dialog.showModal()] };
document.addEventListener("keydown", (event) => {
  const isWriting = event.target.closest("input, textarea, select, [contenteditable]");
  const [id, act] = BY_KEY[event.key] ?? [];
  const element = document.getElementById(id);
  if (!element || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act(element);
});

// The installed app says when it is offline.
const worker = document.querySelector("link[rel=manifest]")?.dataset.worker;
if (worker) navigator.serviceWorker?.register(worker).catch(() => {}); // without TLS there is none
