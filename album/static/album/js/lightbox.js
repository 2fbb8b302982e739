// The lightbox over any grid: PhotoSwipe shows the slides, js/grid.js knows the rows. The address follows the picture.
// The page includes album/_lightbox.html, whose element says what there is beside the pictures.

import { announce, post, toast } from "./app.js";
import { chooseAlbum, textAdded } from "./choose_album.js";

const given = document.getElementById("lightbox");
const PANEL_PX = 400; // --panel-width of lightbox.css
const NARROW_SHARE = 0.38; // as there
const NARROW = matchMedia("(max-width: 48rem)");
const AHEAD = 12;
let current = null;
let wantsPanel = false;

const styles = [...document.querySelectorAll("link[data-lightbox]")];
const applyStyles = () => styles.forEach((link) => { link.media = "all"; });
const isLoaded = new Promise((done) => addEventListener("load", done)).then(applyStyles);
const haveCome = styles.map((link) => link.sheet || new Promise((done) => link.addEventListener("load", done)));
const areStyled = Promise.race([isLoaded, Promise.all(haveCome)]); // one that fails is not waited for for ever

document.addEventListener("album:open", (event) => {
  if (!given) return;
  event.preventDefault();
  open(event.detail.grid, event.detail.index);
});

addEventListener("popstate", (event) => {
  const id = event.state?.lightbox;
  if (current) {
    current.isBack = true;
    current.pswp.close();
  } else if (id) {
    const grid = [...document.querySelectorAll("[data-grid]")].map((box) => box.grid).find((one) => one?.index_of(id) >= 0);
    if (grid) open(grid, grid.index_of(id));
  }
});

// Something was changed in the panel: the grid shows it too.
document.body.addEventListener("album:edited", () => {
  const heart = current?.panel?.querySelector("#info-favourite");
  const row = heart && rowOf(current.pswp);
  if (!row) return;
  current.grid.update(row.id, { is_favourite: heart.getAttribute("aria-pressed") === "true" });
  current.pswp.dispatch("albumLiked");
});

async function open(grid, index) {
  if (current) return;
  applyStyles();
  const [{ default: PhotoSwipe }] = await Promise.all([import("../../vendor/photoswipe/photoswipe.esm.min.js"), areStyled]);
  if (current) return; // opened twice meanwhile
  const text = given.dataset;
  const pswp = new PhotoSwipe({
    index,
    dataSource: [],
    loop: false,
    preload: [1, 2],
    bgOpacity: 1,
    showHideAnimationType: matchMedia("(prefers-reduced-motion: reduce)").matches ? "none" : "fade",
    mainClass: "pswp--album",
    closeSVG: drawn("close"), zoomSVG: drawn("search"), arrowPrevSVG: drawn("left"), arrowNextSVG: drawn("right"),
    closeTitle: text.textClose, zoomTitle: text.textZoom, arrowPrevTitle: text.textPrevious, arrowNextTitle: text.textNext,
    errorMsg: text.textFailed,
    getViewportSizeFn: room,
  });
  current = { pswp, grid, panel: null, isBack: false };
  pswp.addFilter("numItems", () => grid.count);
  pswp.addFilter("itemData", (_, at) => slide(grid, at, pswp));
  pswp.addFilter("placeholderSrc", (source, content) => content.data.msrc ?? source);
  addVideos(pswp);
  addMotion(pswp);
  addSharpness(pswp);
  addButtons(pswp, grid);
  addHistory(pswp, grid);
  pswp.init();
  pswp.element.setAttribute("aria-label", text.textLabel);
  if (wantsPanel && !NARROW.matches) togglePanel(true);
}

const drawn = (name) => `<svg class="icon" aria-hidden="true"><use href="${given.dataset.icons}#${name}"></use></svg>`;
const rowOf = (pswp) => current?.grid.row_at(pswp.currIndex);

/** The room for the picture: beside the panel, on a phone above it. */
function room() {
  const hasPanel = Boolean(current?.panel && !current.panel.hidden);
  return {
    x: innerWidth - (hasPanel && !NARROW.matches ? PANEL_PX : 0),
    y: innerHeight * (hasPanel && NARROW.matches ? NARROW_SHARE : 1),
  };
}

const address = (pattern, id) => (pattern ? pattern.replace("/0/", `/${id}/`) : "");
const pageOf = (grid, id) => address(grid.element.dataset.page, id);

/** What PhotoSwipe shows of the row at `at`; of one that is not loaded yet a blank, until it is. */
function slide(grid, at, pswp) {
  const row = grid.row_at(at);
  if (!row) {
    grid.load(at).then((loaded) => { if (loaded && current?.pswp === pswp) pswp.refreshSlideContent(at); });
    return { html: "" };
  }
  const size = { width: row.width, height: row.height };
  if (row.badges.includes("no-preview")) return { type: "words", row };
  if (row.kind === "video") return { type: "video", row, ...enlarged(size) };
  // The size is that of the original: where the preview ends, addSharpness goes on.
  return { src: row.moving ?? row.preview, msrc: row.picture, alt: row.alt, row, ...enlarged(size) };
}

/** What fills the window, however few pixels it has. */
function enlarged({ width, height }) {
  const factor = Math.max(1, 1600 / Math.max(width, height));
  return { width: width * factor, height: height * factor };
}

function addVideos(pswp) {
  pswp.on("contentLoad", (event) => {
    const { content } = event;
    if (content.type !== "video" && content.type !== "words") return;
    event.preventDefault();
    content.element = content.type === "video" ? player(content.data.row) : words(given.dataset.textFailed);
    content.onLoaded();
  });
  pswp.on("contentDeactivate", ({ content }) => content.element?.querySelector?.("video")?.pause());
  // Drags over the controls of a video belong to the video.
  pswp.on("pointerDown", (event) => {
    const video = event.originalEvent.target.closest?.("video");
    if (video && event.originalEvent.clientY > video.getBoundingClientRect().bottom - 80) event.preventDefault();
  });
}

function player(row) {
  const box = document.createElement("div");
  box.className = "lightbox-video";
  const video = document.createElement("video");
  Object.assign(video, { controls: true, playsInline: true, preload: "metadata", poster: row.preview });
  video.setAttribute("aria-label", row.alt);
  video.addEventListener("error", () => box.replaceChildren(words(given.dataset.textUnplayable)), { once: true });
  video.src = row.playback;
  box.append(video);
  return box;
}

function words(said) {
  const box = document.createElement("p");
  box.className = "lightbox-words";
  box.textContent = said;
  return box;
}

function addMotion(pswp) {
  // Whoever may not have the original sees the still picture.
  pswp.on("loadError", ({ content }) => {
    const { row } = content.data;
    if (!row?.moving) return;
    row.moving = null;
    pswp.refreshSlideContent(content.index);
  });
  pswp.on("contentAppend", ({ content }) => {
    const { row } = content.data;
    if (!row?.motion || content.motion) return;
    const video = document.createElement("video");
    Object.assign(video, { className: "lightbox-motion", muted: true, loop: true, playsInline: true, preload: "none", src: row.motion });
    video.setAttribute("aria-hidden", "true");
    content.motion = video;
    requestAnimationFrame(() => content.slide?.container.append(video));
  });
  pswp.on("contentResize", ({ content, width, height }) => {
    if (content.motion) Object.assign(content.motion.style, { width: `${width}px`, height: `${height}px` });
  });
  pswp.on("contentDeactivate", ({ content }) => playMotion(content, false));
}

function playMotion(content, on) {
  const video = content?.motion;
  if (!video) return;
  if (!video.isConnected) content.slide?.container.append(video);
  if (on) video.play().then(() => video.classList.add("plays")).catch(() => {});
  else { video.pause(); video.classList.remove("plays"); }
}

/** Who zooms beyond the preview sees the original, where the browser can decode it. */
function addSharpness(pswp) {
  pswp.on("zoomPanUpdate", ({ slide: one }) => {
    const { row } = one.data;
    const original = row && originalOf(row);
    const image = one.content.element;
    if (!original || !given.dataset.info || row.moving || one.sharp || !(image instanceof HTMLImageElement)) return;
    if (one.currZoomLevel * Math.max(row.width, row.height) * devicePixelRatio < 2000) return;
    one.sharp = true;
    const whole = new Image();
    whole.src = original;
    whole.decode().then(() => { image.src = original; }).catch(() => {});
  });
}

const originalOf = (row) => address(given.dataset.original, row.id);

function addButtons(pswp, grid) {
  const text = given.dataset;
  const button = (name, order, label, drawing, onClick, more = {}) => pswp.ui.registerElement({
    name, order, isButton: true, tagName: "button", className: `pswp__button--album pswp__button--${name}`, title: label, ariaLabel: label,
    html: drawn(drawing), onClick, ...more,
  });
  pswp.on("uiRegister", () => {
    button("motion", 6, text.textMotion, "motion", () => {}, {
      onInit: (element) => {
        const toggle = (on) => { playMotion(pswp.currSlide?.content, on); element.setAttribute("aria-pressed", String(on)); };
        element.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") toggle(true); });
        element.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") toggle(false); });
        element.addEventListener("click", (event) => {
          if (event.pointerType !== "mouse") toggle(element.getAttribute("aria-pressed") !== "true");
        });
        pswp.on("change", () => { element.hidden = !rowOf(pswp)?.motion; element.setAttribute("aria-pressed", "false"); });
      },
    });
    if (text.favourite) {
      button("favourite", 7, text.textFavourite, "heart", () => like(pswp, grid), {
        onInit: (element) => {
          const paint = () => element.setAttribute("aria-pressed", String(Boolean(rowOf(pswp)?.is_favourite)));
          pswp.on("change", paint);
          pswp.on("albumLiked", paint);
        },
      });
    }
    if (text.textAlbum) button("collect", 8, text.textAlbum, "albums", () => addToAlbum(pswp));
    if (text.original) {
      button("download", 8, text.textDownload, "download", null, {
        tagName: "a",
        onInit: (element) => {
          element.setAttribute("download", "");
          pswp.on("change", () => { const row = rowOf(pswp); if (row) element.href = originalOf(row); });
        },
      });
    }
    if (text.bulk) {
      button("trash", 9, text.textTrash, "trash", () => trash(pswp, grid), {
        onInit: (element) => pswp.on("change", () => { element.hidden = Boolean(rowOf(pswp)?.is_foreign); }),
      });
    }
    if (text.info) {
      button("info", 9, text.textInfo, "info", () => togglePanel(), {
        onInit: (element) => {
          element.setAttribute("aria-expanded", "false");
          pswp.on("albumPanel", () => element.setAttribute("aria-expanded", String(!current.panel.hidden)));
        },
      });
    }
  });
  pswp.on("keydown", (event) => {
    const key = event.originalEvent;
    const inPanel = key.target.closest?.(".lightbox-panel");
    const isField = key.target.matches?.("input, textarea, select, video") || key.target.closest?.("dialog");
    const leafs = key.key === "ArrowLeft" || key.key === "ArrowRight";
    if (isField || (inPanel && !leafs)) event.preventDefault(); // no key of PhotoSwipe's
    if (inPanel && key.key === "Escape") togglePanel(false);
    if (isField || key.ctrlKey || key.metaKey || key.altKey) return;
    if (key.key === "i" && text.info) togglePanel();
    else if (key.key === "f" && text.favourite) like(pswp, grid);
    else if (key.key === "a" && text.textAlbum) addToAlbum(pswp);
    else if (inPanel) return;
    else if (key.key === "Delete" && text.bulk) trash(pswp, grid);
    else if (key.key === "Home" || key.key === "End") pswp.goTo(key.key === "Home" ? 0 : pswp.getNumItems() - 1);
  });
}

async function like(pswp, grid) {
  const row = rowOf(pswp);
  if (!row) return;
  const data = new FormData();
  data.set("on", row.is_favourite ? "0" : "1");
  try {
    await post(address(given.dataset.favourite, row.id), data);
  } catch (error) {
    toast(error.message, { error: true });
    return;
  }
  grid.update(row.id, { is_favourite: !row.is_favourite });
  pswp.dispatch("albumLiked");
  if (current.panel && !current.panel.hidden) fillPanel(true);
}

async function addToAlbum(pswp) {
  const row = rowOf(pswp);
  const chosen = row && await chooseAlbum();
  if (!chosen || !(await act("add-to-album", row.id, chosen))) return;
  toast(textAdded);
  if (current?.panel && !current.panel.hidden) fillPanel(true);
}

/** Does `action` to one picture; false where that was refused, with the reason shown. */
async function act(action, id, more = {}) {
  const data = new FormData();
  for (const [name, value] of Object.entries({ ...more, action, ids: id })) data.set(name, value);
  try {
    const { refused } = await post(given.dataset.bulk, data);
    refused.forEach(({ reason }) => toast(reason, { error: true }));
    return !refused.length;
  } catch (error) {
    toast(error.message, { error: true });
    return false;
  }
}

/** Puts the picture into the trash and goes on to the next one. */
async function trash(pswp, grid) {
  const row = rowOf(pswp), text = given.dataset;
  if (!row || row.is_foreign || !(await act("trash", row.id))) return;
  toast(text.textTrashed, { action: { label: text.textUndo, run: () => restore(row.id) } });
  grid.remove([row.id]);
  if (current?.pswp !== pswp) return;
  if (!grid.count) { pswp.close(); return; }
  if (pswp.currIndex >= grid.count) pswp.goTo(grid.count - 1);
  for (let at = pswp.currIndex - 2; at <= pswp.currIndex + 3; at++) pswp.refreshSlideContent(at);
}

async function restore(id) {
  if (!(await act("restore", id))) return;
  if (!current) { location.reload(); return; }
  current.pswp.on("destroy", () => setTimeout(() => location.reload(), 300)); // by then the address is that of the grid
  current.pswp.close();
}

function togglePanel(on = !current.panel || current.panel.hidden) {
  if (!given.dataset.info) return;
  const { pswp } = current;
  if (!current.panel) {
    if (!on) return;
    current.panel = document.createElement("aside");
    current.panel.className = "lightbox-panel";
    current.panel.hidden = true;
    current.panel.tabIndex = -1;
    current.panel.setAttribute("aria-label", given.dataset.textInfo);
    current.panel.addEventListener("wheel", (event) => event.stopPropagation()); // else PhotoSwipe zooms
    pswp.element.append(current.panel);
  }
  wantsPanel = on;
  current.panel.hidden = !on;
  pswp.element.classList.toggle("has-panel", on);
  pswp.updateSize(true);
  pswp.dispatch("albumPanel");
  if (on) fillPanel().then(() => current?.panel?.focus());
  else pswp.element.querySelector(".pswp__button--info")?.focus();
}

let asked = 0;
async function fillPanel(again = false) {
  const row = rowOf(current.pswp);
  const { panel } = current;
  if (!row || (!again && panel.querySelector(".info")?.dataset.item === String(row.id))) return;
  const turn = ++asked;
  await new Promise((done) => { setTimeout(done, panel.childElementCount ? 150 : 0); }); // who leafs through asks for nothing
  if (turn !== asked || !current) return;
  await window.htmx.ajax("GET", address(given.dataset.info, row.id), { target: panel, swap: "innerHTML" });
  panel.scrollTop = 0;
}

function addHistory(pswp, grid) {
  const title = document.title;
  pswp.on("change", () => {
    const row = rowOf(pswp);
    grid.load(pswp.currIndex + AHEAD);
    if (!row) return;
    const page = pageOf(grid, row.id) || location.href; // "back" closes it, whether the picture has a page or not
    const state = { lightbox: row.id };
    if (history.state?.lightbox) history.replaceState(state, "", page);
    else history.pushState(state, "", page);
    document.title = `${row.alt} – ${title}`;
    announce(row.alt);
    if (current?.panel && !current.panel.hidden) fillPanel();
  });
  pswp.on("destroy", () => {
    const { isBack } = current;
    const id = grid.row_at(pswp.currIndex)?.id;
    current = null;
    document.title = title;
    if (!isBack && history.state?.lightbox) history.back();
    if (id !== undefined) setTimeout(() => grid.reveal(id), 0);
  });
}
