// The panel of what is known of an item: forms that answer in place, and its map. On the page of an item also keys.

import { announce } from "./app.js";

// A form that was refused comes back with the reason.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 422) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

const panelAt = (place) => place.closest(".info") ?? place.querySelector?.(".info");

// The panel that comes has what is stored. What is being typed in forms that were not sent is put back into it.
let typed = { fields: [] };
document.body.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
  const panel = panelAt(target);
  const fields = [...panel?.querySelectorAll("form :is(input, textarea)[id]") ?? []];
  typed = {
    item: panel?.dataset.item,
    fields: fields.filter((field) => field.form !== detail.requestConfig.elt && isTyped(field)),
    focused: document.activeElement,
  };
});
document.body.addEventListener("htmx:afterSwap", ({ target }) => {
  const panel = panelAt(target);
  if (panel?.dataset.item !== typed.item) return;
  for (const old of typed.fields) {
    const field = panel.querySelector(`#${old.id}`);
    if (!field) continue; // it may not be edited any more
    field.value = old.value;
    field.closest("details")?.toggleAttribute("open", true);
    if (old !== typed.focused) continue;
    field.focus({ preventScroll: true });
    last &&= field.id;
  }
});

function isTyped(field) {
  const stored = field.cloneNode();
  stored.value = field.defaultValue; // as the browser writes it: a time without its seconds where there are none
  return field.value !== stored.value || field.form.querySelector("[role=alert]"); // what was refused is not stored
}

// The panel was exchanged, and with it what had the focus: it goes to the same control, or to what opens its form.
let last = "";
document.body.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.target.closest(".info form");
  if (!form) return;
  const summary = form.closest("details")?.querySelector("summary");
  last = (summary ?? form.querySelector("input:not([type=hidden]), button[id]"))?.id || "info-tag";
  const active = document.activeElement;
  if (!summary && active?.id && form.contains(active)) last = active.id;
});
document.body.addEventListener("htmx:afterSettle", (event) => {
  const panel = panelAt(event.target);
  if (!panel) return;
  show(panel);
  if (!last) return;
  const refused = panel.querySelector("[role=alert]");
  const field = refused?.closest("form").querySelector("input:not([type=hidden]), textarea");
  (field ?? panel.querySelector(`#${last}`))?.focus({ preventScroll: true });
  if (!refused) announce(panel.dataset.textSaved);
  last = "";
});

/** Draws the map of a panel, and lets a click on it fill the form of the place. */
export async function show(panel) {
  const box = panel.querySelector(".place-map");
  if (!box || box.dataset.drawn) return;
  const fields = ["latitude_deg", "longitude_deg"].map((name) => panel.querySelector(`[name=${name}]`));
  const form = fields[0]?.closest("details");
  const draw = async () => {
    if (box.dataset.drawn || (box.hidden && !form?.open)) return;
    box.dataset.drawn = "yes";
    box.hidden = false;
    const { placeMap } = await import("./map.js");
    await placeMap(box, "picks" in box.dataset ? (latitude, longitude) => {
      [fields[0].value, fields[1].value] = [latitude.toFixed(6), longitude.toFixed(6)];
      form.open = true;
    } : null);
  };
  form?.addEventListener("toggle", draw);
  await draw();
}

document.querySelectorAll(".info").forEach(show);

const stage = document.querySelector(".detail .stage");
if (stage) {
  const way = (name) => stage.querySelector(name)?.click();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, video, dialog, .place-map")) return;
    if (event.key === "ArrowLeft") way(".newer");
    else if (event.key === "ArrowRight") way(".older");
    else if (event.key === "Escape") way(".back");
    else if (event.key === "f") document.getElementById("info-favourite")?.click();
  });
  let start = null;
  stage.addEventListener("touchstart", (event) => { start = event.touches.length === 1 ? event.touches[0] : null; }, { passive: true });
  stage.addEventListener("touchend", (event) => {
    if (!start || event.target.closest("video") || (window.visualViewport?.scale ?? 1) > 1) return;
    const [across, down] = [event.changedTouches[0].clientX - start.clientX, event.changedTouches[0].clientY - start.clientY];
    if (Math.abs(across) > 60 && Math.abs(across) > 2 * Math.abs(down)) way(across > 0 ? ".newer" : ".older");
  }, { passive: true });
}
