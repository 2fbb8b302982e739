/* Which pictures of a grid are picked: by their check boxes, x or Space, Shift for all between, a long touch. */

const LONG_TOUCH_MS = 450;
const MOST_AT_ONCE = 5000; // pictures between two that Shift picks

export class Picking {
  constructor(grid) {
    this.grid = grid;
    this.selected = new Set();
    this.is_possible = "selectable" in grid.texts;
    this.last = null; // the id from which Shift goes on
    if (this.is_possible) this.listen_to_touch();
  }

  /** Whether a click on the picture `id` picks it rather than opens it; then that is done. */
  takes(event, id) {
    if (!this.is_possible) return false;
    if (this.was_long) { this.was_long = false; return true; }
    if (event.shiftKey && this.last !== null) {
      this.reach(this.grid.index_of(this.last), this.grid.index_of(id));
    } else if (event.shiftKey || this.selected.size || "picks" in this.grid.texts || event.target.closest(".pick")) {
      this.toggle(id);
    } else return false;
    return true;
  }

  on_key(event, id) {
    if (!this.is_possible) return;
    if (event.key === "x" || event.key === " ") {
      event.preventDefault();
      if (event.shiftKey && this.last !== null) this.reach(this.grid.index_of(this.last), this.grid.index_of(id));
      else this.toggle(id);
    } else if (event.key === "Escape" && this.selected.size) this.clear();
  }

  toggle(id) {
    this.last = id;
    this.select([id], !this.selected.has(id));
  }

  select(ids, on = true) {
    for (const id of ids) {
      if (on) this.selected.add(Number(id));
      else this.selected.delete(Number(id));
    }
    this.refresh();
  }

  clear() {
    this.selected.clear();
    this.last = null;
    this.refresh();
  }

  /** Picks everything from one index to another, also what is not loaded yet. */
  async reach(from, to) {
    const [first, end] = [Math.min(from, to), Math.min(Math.max(from, to), Math.min(from, to) + MOST_AT_ONCE - 1)];
    const ids = [];
    for (let index = Math.max(first, 0); index <= end; index++) {
      const row = await this.grid.load(index);
      if (row) ids.push(row.id);
    }
    this.select(ids);
  }

  /** Writes on a tile whether it is picked. */
  mark(tile, id) {
    const is_picked = this.selected.has(id);
    tile.classList.toggle("picked", is_picked);
    tile.querySelector(".pick")?.setAttribute("aria-checked", is_picked);
  }

  /** A button beside the name of a day that picks all of it. */
  add_to_heading(head, section, day) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "pick-day";
    button.dataset.day = day;
    button.setAttribute("role", "checkbox");
    button.setAttribute("aria-label", `${this.grid.texts.textSelect}: ${head.textContent}`);
    button.addEventListener("click", async () => {
      const ids = await this.ids_of_day(section, day);
      this.select(ids, !ids.every((id) => this.selected.has(id)));
    });
    head.append(button);
    this.mark_day(button, section);
  }

  async ids_of_day(section, day) {
    while (this.grid.sections.includes(section) && section.next !== null && section.rows.at(-1)?.day === day) {
      if (!(await this.grid.fetch_piece(section))) break;
    }
    return section.rows.filter((row) => row.day === day).map((row) => row.id);
  }

  mark_day(button, section) {
    const rows = section.rows.filter((row) => row.day === button.dataset.day);
    button.setAttribute("aria-checked", this.selected.size > 0 && rows.every((row) => this.selected.has(row.id)));
  }

  refresh() {
    for (const section of this.grid.sections) {
      for (const [i, tile] of section.tiles) this.mark(tile, section.rows[i].id);
      for (const head of section.heads) {
        const button = head.querySelector(".pick-day");
        if (button) this.mark_day(button, section);
      }
    }
    this.grid.element.classList.toggle("picking", this.selected.size > 0);
    this.grid.tell("album:selection", { ids: this.selected });
  }

  listen_to_touch() {
    const { element } = this.grid;
    let timer = 0;
    const stop = () => clearTimeout(timer);
    element.addEventListener("pointerdown", (event) => {
      this.was_long = false;
      const tile = event.target.closest(".tile");
      if (event.pointerType !== "touch" || !tile) return;
      timer = setTimeout(() => {
        this.was_long = true; // the click that follows opens nothing
        this.toggle(Number(tile.dataset.id));
        navigator.vibrate?.(15);
      }, LONG_TOUCH_MS);
    });
    for (const name of ["pointerup", "pointercancel", "pointermove"]) {
      element.addEventListener(name, (event) => {
        if (name !== "pointermove" || Math.hypot(event.movementX, event.movementY) > 6) stop();
      });
    }
    element.addEventListener("contextmenu", (event) => {
      if (this.was_long) event.preventDefault();
    });
  }
}
