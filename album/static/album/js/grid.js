/* A grid of pictures, justified to its width, of which only what is near the window exists as elements.

THE PAGE writes (template album/_grid.html does):
  <div data-grid
    data-source="/timeline/items/"    JSON of rows; what it already holds after "?" is kept
    data-months="/timeline/months/"   optional: JSON [["2026-11", 12], …] in the order of the rows. With it the grid is
                                      a timeline: rows are asked for by month, there is a date scrubber, any depth costs
                                      the same. Without it rows follow one another by "next" as far as someone scrolls.
    data-page="/media/0/"             where a picture leads; 0 becomes the id. Empty: to its preview
    data-headings="day"               or "none", as search and albums in an order of their own want it
    data-selectable                   optional: pictures can be picked (js/selection.js acts on them)
    data-picks>                       optional: a click picks and opens nothing
    <ol class="tiles">…</ol>          rows that the server wrote, for those without JavaScript and for the first look
    <a data-older href="…">           the way on without JavaScript
  </div>
  {{ first|json_script:id }} with data-first="id" on the grid: the answer of data-source that the tiles were made of,
  and "months" with it where there are months. Texts are data-text-… attributes of the grid, data-icons the address of the icon sheet.

A ROW (album.web.rows.grid_row): {
    id, picture, preview              addresses: 400 pixels for the grid, 1600 for the lightbox
    width, height                     of the upright original, never 0
    placeholder                       BlurHash or ""
    kind: "photo"|"video", duration_s, playback      the last two of videos only
    motion                            address of the clip, of motion photos only
    moving                            address of the original, of pictures that move by themselves (GIF)
    day: "2026-11-21", is_favourite, badges: ["pending"|"processing"|"failed", "motion", "no-preview"], alt
    is_foreign                        true: it belongs to somebody else
    note                              optional: a line below the picture, such as why a search found it }
AN ANSWER: {"rows": [row, …], "next": cursor or null}. Asked with month=2026-11&before=cursor&limit=… by a timeline,
  with before=cursor otherwise: "before" is whatever "next" was.

EVENTS, all of them bubble from the element:
  album:open       {grid, row, index}  cancelable; a picture was activated. Unless prevented its page is opened.
  album:selection  {grid, ids: Set}    the picked ones changed
  album:rows       {grid}              rows came, went or changed

THE OBJECT, as element.grid:
  count            how many there are; without months, how many are known by now (more_expected says if others follow)
  row(id), row_at(index), index_of(id)     undefined or -1 as long as it is not loaded
  load(index)      promise of the row at index, undefined beyond the end
  reveal(id)       scrolls to it and gives it the focus
  update(id, changes), remove(ids)         after something was changed
  select(ids, on), clear()                 and the Set `selected`
*/

import { Drawing, put } from "./drawing.js";
import { on_key } from "./keys.js";
import { estimate, justify } from "./layout.js";
import { Picking } from "./picking.js";
import { find_place, keep_place } from "./place.js";
import { Scrubber } from "./scrubber.js";
import { dress, show } from "./tile.js";

const PIECE = 100; // rows in one answer
const MOST_KEPT = 6000; // rows; beyond it those far away are forgotten
const HEADING = 44; // pixels, as grid.css has it

export class Grid {
  constructor(element) {
    this.element = element;
    element.grid = this;
    this.texts = element.dataset;
    this.language = document.documentElement.lang || "en";
    this.places = new Map(); // id → [section, place in it]
    this.current = null; // the id that Tab reaches
    this.picking = new Picking(this);
    this.drawing = new Drawing(this);
    this.written = new Map([...element.querySelectorAll(".tile")].map((tile) => [Number(tile.dataset.id), tile]));
    const first = document.getElementById(this.texts.first);
    const answer = first ? JSON.parse(first.textContent) : { rows: [] };
    this.sections = [this.make_section(null, null)];
    if (first) this.take(this.sections[0], answer);
    element.querySelectorAll(".tiles, [data-older]").forEach((old) => old.remove());
    element.append(this.sections[0].element);
    this.listen();
    this.resize();
    element.classList.add("ready");
    if (this.texts.months) this.divide();
  }

  get count() { return this.sections.reduce((sum, section) => sum + (section.count ?? section.rows.length), 0); }
  get more_expected() { return this.sections.some((section) => section.count === null && section.next !== null); }
  get selected() { return this.picking.selected; }
  select(ids, on = true) { this.picking.select(ids, on); }
  clear() { this.picking.clear(); }
  href(row) { return this.texts.page ? this.texts.page.replace("/0/", `/${row.id}/`) : row.preview; }

  row(id) {
    const [section, i] = this.places.get(Number(id)) ?? [];
    return section?.rows[i];
  }

  index_of(id) {
    const [section, i] = this.places.get(Number(id)) ?? [];
    return section ? this.start_of(section) + i : -1;
  }

  row_at(index) {
    const [section, i] = this.section_at(index);
    return section?.rows[i];
  }

  /** The row at `index` once it is there; undefined beyond the end. */
  async load(index) {
    for (;;) {
      const [section, i] = this.section_at(index);
      if (!section || i < 0) return undefined;
      if (section.rows[i]) return section.rows[i];
      if (section.next === null || !(await this.fetch_piece(section))) return section.rows[i];
    }
  }

  /** Scrolls to a loaded item and gives it the focus. */
  reveal(id) {
    const [section, i] = this.places.get(Number(id)) ?? [];
    if (!section) return;
    const box = section.layout.boxes[i], top = this.top_of(section) + box.y;
    const [above, below] = [scrollY + this.covered(), scrollY + innerHeight - 90];
    if (top < above + this.form.heading) scrollTo({ top: top - this.covered() - this.form.heading - 8 });
    else if (top + box.height > below) scrollTo({ top: top + box.height - innerHeight + 100 });
    this.current = Number(id);
    this.draw();
    section.tiles.get(i)?.querySelector("a").focus({ preventScroll: true });
  }

  update(id, changes) {
    const row = this.row(id);
    if (!row) return;
    Object.assign(row, changes);
    const [section, i] = this.places.get(Number(id));
    if (section.tiles.has(i)) dress(section.tiles.get(i), row, this.texts);
    this.tell("album:rows");
  }

  remove(ids) {
    const gone = new Set([...ids].map(Number));
    this.picking.select(gone, false);
    this.anchored(() => {
      for (const section of this.sections) {
        const rows = section.rows.filter((row) => !gone.has(row.id));
        if (rows.length === section.rows.length) continue;
        if (section.count !== null) section.count -= section.rows.length - rows.length;
        section.rows = rows;
        this.index(section);
        this.drawing.undress(section);
        this.arrange(section);
      }
      gone.forEach((id) => this.places.delete(id));
      for (const section of this.sections.filter((one) => one.count === 0 && this.sections.length > 1)) {
        section.element.remove();
        this.sections.splice(this.sections.indexOf(section), 1);
      }
    });
    const empty = document.querySelector("[data-empty]");
    if (empty) empty.hidden = this.count > 0;
    this.tell("album:rows");
  }

  tell(name, more = {}, options = {}) {
    return this.element.dispatchEvent(
      new CustomEvent(name, { bubbles: true, detail: { grid: this, ...more }, ...options }));
  }

  // Sections: a month each, or one for all that follows by "next".

  make_section(month, count) {
    const element = document.createElement("section");
    if (month) {
      this.months ??= new Intl.DateTimeFormat(this.language, { month: "long", year: "numeric", timeZone: "UTC" });
      element.dataset.name = this.months.format(new Date(`${month}-01T00:00Z`));
    }
    return { month, count, element, rows: [], next: undefined, layout: null, height: 0, tiles: new Map(), heads: [] };
  }

  /** Makes months of what is there by now, as soon as their counts have come. */
  async divide() {
    const [whole] = this.sections;
    let months, tries = 0;
    for (; !(months = await this.ask(this.texts.months).catch(given_up)); tries++) {
      await new Promise((go) => { setTimeout(go, 1000 * 2 ** Math.min(tries, 6)); addEventListener("online", go, { once: true }); });
    }
    while (whole.coming) await whole.coming; // else its rows would be put where nobody looks
    if (!months.length) return;
    const focused = document.activeElement;
    this.anchored(() => {
      this.sections = months.map(([month, count]) => this.make_section(month, count));
      const last = whole.rows.at(-1)?.day.slice(0, 7);
      for (const section of this.sections) {
        section.rows = whole.rows.filter((row) => row.day.slice(0, 7) === section.month);
        if (!section.rows.length) continue;
        section.next = section.month === last && whole.next ? whole.next : null;
        if (section.next === null) section.count = section.rows.length;
        this.index(section);
      }
      for (const [i, tile] of whole.tiles) this.written.set(whole.rows[i].id, tile);
      this.drawing.undress(whole);
      whole.element.replaceWith(...this.sections.map((section) => section.element));
      this.sections.forEach((section) => this.arrange(section));
    });
    focused.focus({ preventScroll: true }); // a tile loses it where it is put elsewhere
    this.scrubber = new Scrubber(this);
    this.scrubber.follow();
    this.tell("album:rows");
    if (!tries) await find_place(this); // later somebody may have gone on
    keep_place(this);
  }

  take(section, answer) {
    const known = new Set(section.rows.map((row) => row.id)); // somebody may add pictures while they are read
    section.rows.push(...answer.rows.filter((row) => !known.has(row.id)));
    section.next = answer.next;
    if (answer.next === null && section.count !== null) section.count = section.rows.length;
    this.index(section);
  }

  index(section) { section.rows.forEach((row, i) => this.places.set(row.id, [section, i])); }

  async fetch_piece(section) {
    section.coming ??= (async () => {
      const wanted = { limit: PIECE };
      if (section.month) wanted.month = section.month;
      if (section.next) wanted.before = section.next;
      const answer = await this.get(this.texts.source, wanted);
      if (answer) this.anchored(() => { this.take(section, answer); this.arrange(section); });
      section.coming = null;
      if (answer) this.tell("album:rows");
      return Boolean(answer);
    })();
    return section.coming;
  }

  async ask(address, parameters = {}) {
    const url = new URL(address, location.href);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (response.redirected || response.status === 401) { location.reload(); return null; } // signed out
    if (!response.ok) throw new Error(response.status);
    return response.json();
  }

  async get(address, parameters) {
    try {
      const answer = await this.ask(address, parameters);
      this.failed = false;
      return answer;
    } catch {
      this.failed = true;
      setTimeout(() => { this.failed = false; this.draw(); }, 5000);
      return null;
    }
  }

  section_at(index) {
    let start = 0;
    for (const section of this.sections) {
      const count = section.count ?? (section.next === null ? section.rows.length : Infinity);
      if (index < start + count) return [section, index - start];
      start += count;
    }
    return [];
  }

  start_of(wanted) {
    let start = 0;
    for (const section of this.sections) {
      if (section === wanted) return start;
      start += section.count ?? section.rows.length;
    }
    return -1;
  }

  // Where everything is.

  resize() {
    const width = Math.floor(this.element.clientWidth);
    if (!width || width === this.form?.width) return;
    const target = width < 560 ? 118 : width < 1000 ? 170 : 215;
    const form = { width, target, gap: width < 560 ? 3 : 5, heading: this.texts.headings === "none" ? 0 : HEADING };
    this.anchored(() => {
      this.form = form;
      this.sections.forEach((section) => { this.drawing.undress(section); this.arrange(section); });
    });
  }

  arrange(section) {
    if (!this.form) return;
    section.layout = justify(section.rows, this.form);
    const missing = section.count === null || section.next === null ? 0 : section.count - section.rows.length;
    section.height = section.layout.height + (missing > 0 ? estimate(missing, this.form) : 0);
    section.element.style.height = `${section.height}px`;
    section.drawn = null;
    for (const [i, tile] of section.tiles) put(tile, section.layout.boxes[i]); // rows that came changed the last line
  }

  top_of(wanted) {
    let top = this.element.getBoundingClientRect().top + scrollY;
    for (const section of this.sections) {
      if (section === wanted) break;
      top += section.height;
    }
    return top;
  }

  /** Pixels at the top of the window that bars cover. */
  covered() { return document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0; }

  /** Changes heights without moving what is looked at. */
  anchored(change) {
    const seen = scrollY > 0 ? this.first_seen() : null;
    change();
    if (seen) {
      const now = seen.id && this.places.get(seen.id) ? this.top_of_item(seen.id) : this.top_of(seen.section);
      if (now !== seen.top) scrollBy({ top: now - seen.top, behavior: "instant" });
    }
    this.draw();
  }

  top_of_item(id) {
    const [section, i] = this.places.get(id);
    return this.top_of(section) + (section.layout?.boxes[i]?.y ?? 0);
  }

  /** The topmost item in the window, or its section where nothing is loaded yet. */
  first_seen() {
    const line = scrollY + this.covered();
    let top = this.element.getBoundingClientRect().top + scrollY;
    for (const section of this.sections) {
      if (top + section.height > line && section.height) {
        const i = section.layout?.boxes.findIndex((box) => top + box.y + box.height > line) ?? -1;
        return i < 0 ? { section, top } : { section, id: section.rows[i].id, top: top + section.layout.boxes[i].y };
      }
      top += section.height;
    }
    return null;
  }

  // What is there as elements.

  draw() {
    if (!this.form) return;
    const speed = Math.abs(scrollY - (this.drawn_at ?? scrollY));
    this.drawn_at = scrollY;
    const hurried = speed > innerHeight / 2; // what flies by is not fetched
    const from = scrollY - innerHeight, to = scrollY + 2 * innerHeight;
    let top = this.element.getBoundingClientRect().top + scrollY, wanted = [];
    for (const section of this.sections) {
      const bottom = top + section.height;
      const is_near = bottom >= from && top <= to;
      if (is_near) this.drawing.dress(section, from - top, to - top, hurried);
      else if (section.tiles.size) this.drawing.undress(section);
      const open_end = section === this.sections.at(-1) && section.count === null;
      const loaded_to = top + (section.layout?.height ?? 0);
      if (section.next !== null && (is_near || open_end) && loaded_to < to) wanted.push([section, top, bottom]);
      top = bottom;
    }
    clearTimeout(this.waiting);
    if (hurried || wanted.length) this.waiting = setTimeout(() => this.settle(wanted), hurried ? 90 : 15);
    this.drawing.reach();
    this.scrubber?.follow();
  }

  settle(wanted) {
    const in_window = ([, top, bottom]) => bottom > scrollY && top < scrollY + innerHeight;
    wanted.sort((one, other) => in_window(other) - in_window(one));
    if (!this.failed) wanted.slice(0, 2).forEach(([section]) => this.fetch_piece(section));
    for (const section of this.sections) {
      for (const [i, tile] of section.tiles) show(tile, section.rows[i]);
    }
    this.forget();
  }

  /** Rows far from the window are asked for again when somebody comes back. */
  forget() {
    const months = this.sections.filter((section) => section.month && section.rows.length);
    let kept = months.reduce((sum, section) => sum + section.rows.length, 0);
    if (kept <= MOST_KEPT) return;
    const here = this.sections.findIndex((section) => section.tiles.size);
    const far = (section) => Math.abs(this.sections.indexOf(section) - here);
    for (const section of months.sort((one, other) => far(other) - far(one))) {
      if (kept <= MOST_KEPT / 2 || section.tiles.size) break;
      kept -= section.rows.length;
      section.rows.forEach((row) => this.places.delete(row.id));
      Object.assign(section, { rows: [], next: undefined, layout: { height: 0, boxes: [], headings: [] } });
    }
  }

  // What people do.

  listen() {
    let asked = 0;
    addEventListener("scroll", () => { asked ||= requestAnimationFrame(() => { asked = 0; this.draw(); }); }, { passive: true });
    new ResizeObserver(() => this.resize()).observe(this.element);
    this.element.addEventListener("keydown", (event) => on_key(this, event));
    this.element.addEventListener("click", (event) => this.on_click(event));
    this.element.addEventListener("focusin", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) { this.current = Number(tile.dataset.id); this.drawing.reach(); }
    });
  }

  on_click(event) {
    const tile = event.target.closest(".tile");
    if (!tile || event.ctrlKey || event.metaKey || event.button) return;
    const id = Number(tile.dataset.id);
    if (this.picking.takes(event, id)) { event.preventDefault(); return; }
    const detail = { row: this.row(id), index: this.index_of(id) };
    if (event.target.closest("a") && !this.tell("album:open", detail, { cancelable: true })) event.preventDefault();
  }
}

/** Nothing where asking again is no use, as for what is forbidden; null where it is. */
function given_up({ message }) { return ["403", "404"].includes(message) ? [] : null; }

for (const element of document.querySelectorAll("[data-grid]")) new Grid(element);
