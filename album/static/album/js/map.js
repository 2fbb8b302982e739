// The world without a tile server: borders from a file of ours, drawn by Leaflet. The page of the map, and small maps.

async function library() {
  await Promise.all([
    import("../../vendor/leaflet/leaflet.js"),
    import("../../vendor/topojson-client/topojson-client.min.js"),
  ]);
  return [window.L, window.topojson];
}

let world = null;
function countries(address, topojson) {
  world ??= fetch(address).then((answer) => answer.json()).then((atlas) => {
    const land = topojson.feature(atlas, atlas.objects.countries);
    for (const { geometry } of land.features) {
      if (!geometry) continue;
      for (const polygon of geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates) polygon.forEach(unroll);
    }
    return land;
  });
  return world;
}

/** A shore that crosses the date line goes on beyond 180°, where it else would jump around the world. */
function unroll(ring) {
  let turn = 0;
  const turns = ring.map(([longitude], at) => {
    const step = at ? longitude - ring[at - 1][0] : 0;
    if (Math.abs(step) > 180) turn -= Math.sign(step) * 360;
    return turn;
  });
  if (turn !== 0) return; // around a pole
  const side = ring.reduce((sum, [longitude], at) => sum + longitude + turns[at], 0) < -180 * ring.length ? 360 : 0;
  ring.forEach((point, at) => { point[0] += turns[at] + side; });
}

function color(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** A Leaflet map in `box`, with the tiles that an administrator chose (`data-tiles`) or else the world of `data-world`. */
async function draw(box, options = {}) {
  const [L, topojson] = await library();
  const map = L.map(box, { zoomSnap: box.dataset.tiles ? 1 : 0.5, minZoom: 1, maxZoom: 16, attributionControl: Boolean(box.dataset.tiles), ...options });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still) Object.assign(map.options, { zoomAnimation: false, fadeAnimation: false, markerZoomAnimation: false, inertia: false });
  if (box.dataset.tiles) {
    map.attributionControl.setPrefix(false);
    L.tileLayer(box.dataset.tiles, { maxZoom: 19, attribution: box.dataset.attribution ?? "" }).addTo(map);
  } else {
    countries(box.dataset.world, topojson).then((land) => {
      const style = { color: color("--map-border"), weight: 1, fillColor: color("--map-land"), fillOpacity: 1, interactive: false };
      L.geoJSON(land, { style, renderer: L.canvas({ padding: 0.5 }) }).addTo(map);
    });
  }
  return [L, map];
}

/** A small map of the place in the data of `box`; `pick(latitude, longitude)` is told of a click. */
export async function placeMap(box, pick = null) {
  const [L, map] = await draw(box, { scrollWheelZoom: false });
  const { latitude, longitude } = box.dataset;
  const place = latitude === undefined ? null : [Number(latitude), Number(longitude)];
  map.setView(place ?? [25, 10], place ? 5 : 1);
  const sheet = document.querySelector(".icon use").getAttribute("href").split("#")[0];
  const html = `<svg class="icon" aria-hidden="true"><use href="${sheet}#pin"></use></svg>`;
  const icon = L.divIcon({ className: "pin", html, iconSize: [29, 29], iconAnchor: [14, 27] });
  let marker = null;
  const put = (where) => {
    marker?.remove();
    marker = L.marker(where, { icon, keyboard: false, interactive: false }).addTo(map);
  };
  if (place) put(place);
  if (pick) {
    map.on("click", ({ latlng }) => {
      const where = latlng.wrap();
      put(where);
      pick(where.lat, where.lng);
    });
  }
  new ResizeObserver(() => map.invalidateSize()).observe(box);
}

/** The page of the map: groups of items, counted by the server for what is in view. */
async function page(box) {
  const minZoom = Math.max(1, Math.ceil(Math.log2(box.clientWidth / 256) * 2) / 2); // the world fills the box
  const [L, map] = await draw(box, { minZoom, maxBounds: [[-78, -190], [84, 200]], maxBoundsViscosity: 1 });
  const { Strip } = await import("./strip.js");
  const strip = new Strip(document.querySelector(".strip"));
  const marks = new Map(); // what stays in view stays as it is, and keeps the focus
  const inView = () => {
    const bounds = map.getBounds();
    const [west, east] = [bounds.getWest(), bounds.getEast()].map((edge) => Math.max(-180, Math.min(180, edge)));
    const [south, north] = [bounds.getSouth(), bounds.getNorth()].map((edge) => Math.max(-90, Math.min(90, edge)));
    return [west, south, east, north].map((edge) => edge.toFixed(5));
  };
  const goBack = (place) => { // to the mark that stands for it now
    const near = [...marks.values()].sort((one, other) => map.distance(one.getLatLng(), place) - map.distance(other.getLatLng(), place));
    (near[0]?.getElement() ?? box).focus({ preventScroll: true });
  };
  let asked = null;
  const refresh = async () => {
    asked?.abort();
    asked = new AbortController();
    const query = new URLSearchParams({ bbox: inView(), zoom: Math.round(map.getZoom()) });
    const answer = await fetch(`${box.dataset.points}?${query}`, { signal: asked.signal }).catch(() => null);
    if (!answer?.ok) return;
    const { groups } = await answer.json();
    const found = new Map(groups.map((group) => [JSON.stringify(group), group]));
    const held = [...marks.values()].find((marker) => marker.getElement() === document.activeElement)?.getLatLng();
    for (const [key, marker] of marks) if (!found.has(key) && marks.delete(key)) marker.remove();
    for (const [key, group] of found) if (!marks.has(key)) marks.set(key, mark(L, map, { box, strip, group, goBack }).addTo(map));
    if (held) goBack(held);
  };
  map.on("moveend", refresh);
  new ResizeObserver(() => map.invalidateSize()).observe(box);
  const [west, south, east, north] = JSON.parse(box.dataset.bounds);
  map.fitBounds([[south, west], [north, east]], { padding: [40, 40], maxZoom: 9 });
}

function mark(L, map, { box, strip, group, goBack }) {
  const side = Math.round(44 + 8 * Math.min(4, Math.log10(group.count)));
  const picture = document.createElement("span");
  picture.className = "map-mark";
  const image = document.createElement("img");
  image.src = group.picture;
  image.alt = "";
  picture.append(image);
  if (group.count > 1) {
    const count = document.createElement("b");
    count.textContent = group.count.toLocaleString(document.documentElement.lang);
    picture.append(count);
  }
  const icon = L.divIcon({ className: "map-icon", html: picture, iconSize: [side, side] });
  const text = group.place ? box.dataset.textPlace : box.dataset.textGroup;
  const words = text.replace("{count}", group.count.toLocaleString(document.documentElement.lang)).replace("{place}", group.place);
  const marker = L.marker([group.latitude, group.longitude], { icon, title: words, riseOnHover: true });
  marker.on("add", () => marker.getElement().setAttribute("aria-label", words));
  const name = document.createTextNode(group.place); // a string would be taken for HTML
  if (group.place) marker.bindTooltip(name, { direction: "bottom", offset: [0, side / 2] });
  const isSpot = group.bbox[2] - group.bbox[0] < 1e-4 && group.bbox[3] - group.bbox[1] < 1e-4;
  const open = () => {
    const [west, south, east, north] = group.bbox;
    if (group.count <= Number(box.dataset.few) || isSpot || map.getZoom() >= map.getMaxZoom()) {
      const around = new URLSearchParams({ bbox: [west - 1e-5, south - 1e-5, east + 1e-5, north + 1e-5].map((edge) => edge.toFixed(6)) });
      const [source, page] = [box.dataset.items, box.dataset.timeline].map((address) => `${address}?${around}`);
      strip.open({ source, page, words, goBack: () => goBack(marker.getLatLng()) });
      map.invalidateSize({ animate: false }); // the strip has taken room from it
      map.panInside(marker.getLatLng(), { padding: [side, side], animate: false });
    } else {
      map.fitBounds([[south, west], [north, east]], { padding: [60, 60] });
    }
  };
  marker.on("click", open);
  marker.on("keydown", ({ originalEvent }) => {
    if (originalEvent.key === "Enter" || originalEvent.key === " ") { originalEvent.preventDefault(); open(); }
  });
  return marker;
}

document.querySelectorAll(".world-map").forEach(page);
