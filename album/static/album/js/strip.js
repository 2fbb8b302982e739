/* The pictures of a group on the map, side by side below it. To the lightbox a strip is a grid: see js/grid.js. */

import { blur, dress, make_tile, show } from "./tile.js";

const PIECE = 60; // rows in one answer
const AHEAD_PX = 1200;

export class Strip {
  constructor(element) {
    this.element = element;
    element.grid = this;
    this.list = element.querySelector(".strip-tiles");
    this.clear();
    this.list.addEventListener("scroll", () => this.fill(), { passive: true });
    this.list.addEventListener("click", (event) => this.on_click(event));
    element.addEventListener("keydown", (event) => this.on_key(event));
    element.querySelector("[data-shut]").addEventListener("click", () => this.close());
  }

  get count() { return this.rows.length; }
  row_at(index) { return this.rows[index]; }
  index_of(id) { return this.rows.findIndex((row) => row.id === Number(id)); }
  tile_of(id) { return this.list.children[this.index_of(id)]; }

  /** Shows what the address `source` gives; `goBack` gives the focus back when it is closed. */
  open({ source, page, words, goBack }) {
    this.clear();
    Object.assign(this, { source, goBack });
    const title = this.element.querySelector("h2");
    title.textContent = words;
    this.element.querySelector(".heading a").href = page;
    this.element.hidden = false;
    title.focus({ preventScroll: true });
    this.element.scrollIntoView({ block: "nearest" });
    return this.fill();
  }

  close() {
    this.element.hidden = true;
    this.goBack();
    this.clear();
  }

  clear() {
    Object.assign(this, { rows: [], next: undefined, coming: null, source: null });
    this.list?.replaceChildren();
  }

  async load(index) {
    while (index >= this.rows.length && this.next !== null && this.source) if (!(await this.fetch_piece())) break;
    return this.rows[index];
  }

  /** Fetches as far as somebody has scrolled, and some more. */
  async fill() {
    const { scrollLeft, clientWidth, scrollWidth } = this.list;
    if (scrollLeft + clientWidth + AHEAD_PX > scrollWidth) await this.load(this.rows.length);
  }

  fetch_piece() {
    const { source } = this;
    this.coming ??= (async () => {
      const place = this.next ? `&before=${encodeURIComponent(this.next)}` : "";
      const response = await fetch(`${source}&limit=${PIECE}${place}`, { headers: { Accept: "application/json" } }).catch(() => null);
      if (source !== this.source) return false; // another group was opened meanwhile
      this.coming = null;
      if (!response?.ok || response.redirected) return false;
      const { rows, next } = await response.json();
      this.next = next;
      this.rows.push(...rows);
      this.list.append(...rows.map((row) => this.tile(row)));
      return true;
    })();
    return this.coming;
  }

  tile(row) {
    const tile = make_tile(row, this.element.dataset.page.replace("/0/", `/${row.id}/`), this.element.dataset);
    tile.style.aspectRatio = Math.min(Math.max(row.width / row.height, 0.5), 2.5);
    tile.querySelector("a").tabIndex = this.list.childElementCount || row !== this.rows[0] ? -1 : 0;
    blur(tile, row);
    show(tile, row);
    return tile;
  }

  update(id, changes) {
    const row = this.rows[this.index_of(id)];
    if (row) dress(this.tile_of(id), Object.assign(row, changes), this.element.dataset);
  }

  remove(ids) {
    for (const id of ids) {
      const at = this.index_of(id);
      if (at < 0) continue;
      this.list.children[at].remove();
      this.rows.splice(at, 1);
    }
  }

  reveal(id) {
    const link = this.tile_of(id)?.querySelector("a");
    if (!link) return;
    for (const other of this.list.querySelectorAll("a")) other.tabIndex = other === link ? 0 : -1;
    link.focus();
    link.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  on_click(event) {
    const tile = event.target.closest(".tile");
    if (!tile || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const detail = { grid: this, row: this.rows[this.index_of(tile.dataset.id)], index: this.index_of(tile.dataset.id) };
    const opened = new CustomEvent("album:open", { bubbles: true, cancelable: true, detail });
    if (!this.element.dispatchEvent(opened)) event.preventDefault();
  }

  async on_key(event) {
    if (event.key === "Escape") { this.close(); return; }
    const tile = event.target.closest(".tile");
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.index_of(tile.dataset.id);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: this.rows.length - 1 }[event.key];
    if (to === undefined || to < 0) return;
    event.preventDefault();
    const row = await this.load(to);
    if (row) this.reveal(row.id);
  }
}
