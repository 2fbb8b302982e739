// The upload page: files and folders by drop, choice or paste; a queue that survives lost connections.
// Small files are one request each; larger ones go in pieces (tus) and go on where they ended, even after a reload.

import { announce, csrfToken, isSignedOut } from "./app.js";
import { filesOf } from "./dropped.js";

const AT_ONCE = 3;
const WHOLE_BYTES = 8e6; // up to here in one request
const PIECE_BYTES = 32e6; // proxies limit a body
const HASH_BYTES = 64e6; // up to here a browser hashes in its memory
const SHOWN = 100; // rows of finished files
const AGAIN_MS = [1000, 3000, 5000, 10000, 20000];
const FOREIGN = /^(text|audio|font)\/|^application\/(pdf|zip|json|xml|msword|vnd\.)/;

const form = document.querySelector("form.upload");
const panel = document.getElementById("queue");
const words = panel.dataset;
const lists = { now: panel.querySelector(".now"), bad: panel.querySelector(".bad-ones"), done: panel.querySelector(".done") };
const total = panel.querySelector("progress");
const summary = panel.querySelector(".summary");
const buttons = Object.fromEntries(["pause", "again", "clear"].map((name) => [name, panel.querySelector(`[data-${name}]`)]));

const queue = []; // waiting
const active = new Set();
const failed = new Set();
const count = { stored: 0, duplicate: 0, restored: 0, refused: 0 };
let all = 0, bytes = 0, bytesDone = 0, isPaused = false, announced = 0;

/** Puts files into the queue. `folder` is the one that was dropped or chosen, if any. */
function add(found) {
  for (const { file, folder } of found) {
    if (file.name.startsWith(".")) continue;
    const job = { file, folder, sent: 0, tries: 0 };
    all += 1;
    bytes += file.size;
    if (FOREIGN.test(file.type)) refuse(job, words.foreign);
    else queue.push(job);
  }
  panel.hidden = all === 0;
  next();
}

function next() {
  while (!isPaused && active.size < AT_ONCE && queue.length) run(queue.shift());
  show();
}

async function run(job) {
  active.add(job);
  failed.delete(job);
  job.row ??= makeRow(job);
  lists.now.append(job.row);
  state(job, words.sending);
  try {
    const goal = goalOf(job);
    const known = goal ? null : await knownPage(job.file); // an album takes what is known already, too
    if (isPaused) throw { paused: true };
    const result = known ? { status: "duplicate", url: known } : await send(job, goal);
    active.delete(job);
    finish(job, result);
  } catch (error) {
    active.delete(job);
    if (error.paused) queue.unshift(job);
    else if (error.lost) later(job);
    else if (error.refused) refuse(job, error.message);
    else fail(job, error);
  }
  next();
}

/** The page of the item that the album already has for this content, if it can be told without sending it. */
async function knownPage(file) {
  if (!window.isSecureContext || file.size > HASH_BYTES) return null;
  try {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
    const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrfToken() };
    const body = JSON.stringify({ hashes: [sha256] });
    const answer = await fetch(words.known, { method: "POST", headers, body });
    return answer.ok ? (await answer.json()).known[sha256] : null;
  } catch {
    return null; // it is sent, and the album tells
  }
}

/** The album that a file goes into as well: {album: its number}, {folder: its title}, or null. */
function goalOf(job) {
  if (form.elements.folders?.checked && job.folder) return { folder: job.folder };
  return form.elements.album.value ? { album: form.elements.album.value } : null;
}

function send(job, goal) {
  return job.file.size <= WHOLE_BYTES && !goal?.folder ? sendWhole(job, goal) : sendPieces(job, goal);
}

function sendWhole(job, goal) {
  return new Promise((resolve, reject) => {
    const modified = JSON.stringify([job.file.lastModified]);
    const query = new URLSearchParams({ name: job.file.name, modified, ...goal });
    const request = new XMLHttpRequest();
    request.open("POST", `${form.getAttribute("action")}?${query}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.responseType = "json";
    request.upload.onprogress = (event) => progress(job, event.loaded);
    request.onload = () => {
      if (isSignedOut(request)) return reject(problem(401));
      const answer = request.response?.files?.[0];
      if (request.status < 300 && answer) resolve(answer);
      else reject(problem(request.status, answer?.detail ?? firstError(request.response)));
    };
    request.onerror = () => reject(problem(0));
    request.onabort = () => reject({ paused: true });
    job.stop = () => request.abort();
    request.send(job.file);
  });
}

function firstError(answer) {
  return Object.values(answer?.errors ?? {})[0]?.[0];
}

function sendPieces(job, goal) {
  return new Promise((resolve, reject) => {
    let result = null;
    const { defaultOptions, Upload } = window.tus;
    // The server goes by the album that was named at first: what was begun for another does not go on.
    const fingerprint = async (file, options) =>
      (await defaultOptions.fingerprint(file, options)) + JSON.stringify(goal);
    const upload = new Upload(job.file, {
      endpoint: words.pieces,
      metadata: { filename: job.file.name, modified: String(job.file.lastModified), ...goal },
      fingerprint,
      chunkSize: PIECE_BYTES,
      retryDelays: AGAIN_MS,
      removeFingerprintOnSuccess: true,
      headers: { "X-CSRFToken": csrfToken() },
      onShouldRetry: (error) => [0, 409, 423, 500, 502, 503, 504].includes(error.originalResponse?.getStatus() ?? 0),
      onProgress: (sent) => progress(job, sent),
      onAfterResponse: (_, response) => { result = response.getHeader("Upload-Result") ?? result; },
      onSuccess: () => resolve(JSON.parse(result ?? '{"status": "stored"}')),
      onError: (error) => {
        const answer = error.originalResponse;
        reject(problem(answer?.getStatus() ?? 0, answer?.getBody()));
      },
    });
    job.stop = () => upload.abort().then(() => reject({ paused: true }));
    upload.findPreviousUploads().then((earlier) => {
      if (earlier.length) upload.resumeFromPreviousUpload(earlier[0]);
      upload.start();
    });
  });
}

/** What an answer means for the queue: go on later, stop it all, or leave this file. */
function problem(status, detail) {
  if (status === 0 || status === 502 || status === 504) return { lost: true };
  if (status === 401 || status === 403) return Object.assign(new Error(words.signIn), { stops: true });
  if (status === 507) return Object.assign(new Error(detail || words.full), { stops: true });
  if (status === 415 || status === 422) return { refused: true, message: detail || words.foreign };
  return new Error(detail || words.failed);
}

function finish(job, result) {
  progress(job, job.file.size);
  if (result.status === "refused") return refuse(job, result.detail);
  count[result.status] = (count[result.status] ?? 0) + 1;
  state(job, words[result.status] ?? words.stored, result.status);
  if (result.url) link(job, result.url);
  lists.done.prepend(job.row);
  while (lists.done.children.length > SHOWN) lists.done.lastChild.remove();
}

function refuse(job, why) {
  count.refused += 1;
  job.row ??= makeRow(job);
  progress(job, job.file.size);
  state(job, why || words.foreign, "bad");
  lists.bad.append(job.row);
}

function fail(job, error) {
  failed.add(job);
  state(job, error.message || words.failed, "bad");
  lists.bad.append(job.row);
  if (error.stops) pause(true);
}

/** The connection is lost: this file waits for it, and so do the others. */
function later(job) {
  job.tries += 1;
  state(job, words.lost);
  const wait = AGAIN_MS[Math.min(job.tries, AGAIN_MS.length) - 1];
  setTimeout(() => { queue.unshift(job); next(); }, wait);
}

function progress(job, sent) {
  bytesDone += sent - job.sent;
  job.sent = sent;
  const bar = job.row?.querySelector("progress");
  if (bar) bar.value = job.file.size ? sent / job.file.size : 1;
  show();
}

function makeRow(job) {
  const row = document.getElementById("upload-row").content.firstElementChild.cloneNode(true);
  row.querySelector(".name").textContent = job.file.name;
  return row;
}

function link(job, url) {
  const name = document.createElement("a");
  name.href = url;
  name.className = "name";
  name.textContent = job.file.name;
  job.row.querySelector(".name").replaceWith(name);
}

function state(job, text, kind = "") {
  job.row.className = `job ${kind}`;
  job.row.querySelector(".state").textContent = text;
}

function pause(wanted) {
  isPaused = wanted;
  buttons.pause.textContent = isPaused ? words.resume : words.pause;
  if (isPaused) for (const job of active) job.stop?.();
  next();
}

let isShowing = false;
function show() {
  if (isShowing) return; // once per picture of the screen, however many events come
  isShowing = true;
  requestAnimationFrame(() => {
    isShowing = false;
    const ended = count.stored + count.duplicate + count.restored + count.refused;
    total.value = bytes ? bytesDone / bytes : 0;
    const text = fill(words.summary, { done: ended, all, known: count.duplicate + count.restored, bad: count.refused + failed.size });
    if (summary.textContent !== text) summary.textContent = text;
    buttons.again.hidden = failed.size === 0;
    buttons.pause.hidden = queue.length + active.size === 0;
    panel.querySelector("[data-see]").hidden = !buttons.pause.hidden || !count.stored;
    const quarter = Math.floor((4 * (ended + failed.size)) / all);
    if (quarter !== announced) { announced = quarter; announce(text); }
  });
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name].toLocaleString(document.documentElement.lang));
}

form.elements.uploads.addEventListener("change", (event) => {
  add(Array.from(event.target.files, (file) => ({ file, folder: file.webkitRelativePath.split("/").slice(-2, -1)[0] ?? "" })));
  event.target.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());
document.querySelector("[data-folder-input]").addEventListener("change", (event) => {
  add(Array.from(event.target.files, (file) => ({ file, folder: file.webkitRelativePath.split("/").slice(-2, -1)[0] ?? "" })));
  event.target.value = "";
});
document.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("is-over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) form.classList.remove("is-over"); });
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  form.classList.remove("is-over");
  add(await filesOf(event.dataTransfer));
});
document.addEventListener("paste", (event) => {
  add(Array.from(event.clipboardData.files, (file) => ({ file, folder: "" })));
});
buttons.pause.addEventListener("click", () => pause(!isPaused));
buttons.again.addEventListener("click", () => { queue.push(...failed); failed.clear(); pause(false); });
buttons.clear.addEventListener("click", () => { lists.done.replaceChildren(); });
window.addEventListener("online", next);
window.addEventListener("beforeunload", (event) => { if (active.size) event.preventDefault(); });
document.documentElement.classList.add("has-script");
