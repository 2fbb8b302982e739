// The installed app: its own files from a cache, and a page of its own where there is no connection.
// Pages and pictures of people are never kept here: whoever takes the device next is not to find them.

const CACHE = "album-1";
const OFFLINE = "/offline/";

self.addEventListener("install", (event) => {
  event.waitUntil(keepOfflinePage().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => caches.match(OFFLINE)));
  else if (isOurs(request.url)) event.respondWith(freshOrKept(request));
});

function isOurs(address) {
  const { origin, pathname } = new URL(address);
  return origin === self.location.origin && pathname.startsWith("/static/");
}

/** The file from the server, else as it was last time. */
async function freshOrKept(request) {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request);
    if (answer.ok) cache.put(request, answer.clone());
    return answer;
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}

async function keepOfflinePage() {
  const cache = await caches.open(CACHE);
  await cache.add(OFFLINE);
  const page = await (await cache.match(OFFLINE)).text();
  await cache.addAll(Array.from(page.matchAll(/<link rel="stylesheet" href="([^"]+)"/g), (match) => match[1]));
}
