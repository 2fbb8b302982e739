// What every page shares: toasts, announcements, requests that change something, dialogs.

const toasts = document.getElementById("toasts");
const announcer = document.getElementById("announcer");

/** Shows words for some seconds and reads them out; `error` ones stay until closed. `action` is {label, run}. */
export function toast(words, { error = false, action = null } = {}) {
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
  return close;
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

export function csrfToken() {
  return JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
}

/** The answer to a POST of `data` (an object, which goes as JSON, or a FormData). Throws an Error with the reason. */
export async function post(address, data = {}) {
  const isForm = data instanceof FormData;
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  if (!isForm) headers["Content-Type"] = "application/json";
  const body = isForm ? data : JSON.stringify(data);
  const response = await fetch(address, { method: "POST", body, headers }).catch(() => null);
  if (!response) throw new Error(toasts.dataset.failed);
  const isJson = response.headers.get("Content-Type")?.includes("json");
  const answer = isJson ? await response.json() : await response.text();
  if (!response.ok) throw new Error((isJson && (answer.detail || answer.error)) || toasts.dataset.failed);
  return answer;
}

// The server asks for a toast with the header HX-Trigger: {"toast": "words"}.
document.body.addEventListener("toast", (event) => toast(event.detail.value ?? event.detail));
document.body.addEventListener("htmx:responseError", () => toast(toasts.dataset.failed, { error: true }));
document.body.addEventListener("htmx:sendError", () => toast(toasts.dataset.failed, { error: true }));

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

// "/" goes to the search box, unless somebody is writing.
document.addEventListener("keydown", (event) => {
  const isWriting = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
  const box = document.getElementById("q");
  if (box) { event.preventDefault(); box.focus(); }
});

// The installed app says when it is offline.
const worker = document.querySelector("link[rel=manifest]")?.dataset.worker;
if (worker) navigator.serviceWorker?.register(worker).catch(() => {}); // without TLS there is none
